"""What transforms of a picture and its reference share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def reference_of(results: dict) -> np.ndarray | None:
    """The reference of the picture, None where there is none.

    Raises:
        ValueError: It has another size than its picture.
    """
    reference = results.get('reference')
    size = results['img'].shape[:2]
    if reference is not None and reference.shape[:2] != size:
        raise ValueError(
            f'`{results.get("reference_path")}` has size {reference.shape[:2]} but its picture {size}; '
            'pair pictures of one size.'
        )
    return reference


def change_both(results: dict, change: Callable[[np.ndarray], np.ndarray]) -> dict:
    """Apply `change` to ``img`` and, where there is one, to ``reference``; ``img_shape`` follows.

    Raises:
        ValueError: The reference has another size than its picture.
    """
    reference = reference_of(results)
    results['img'] = change(results['img'])
    if reference is not None:
        results['reference'] = change(reference)
    results['img_shape'] = results['img'].shape[:2]
    return results
