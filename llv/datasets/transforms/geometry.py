"""Random crops that keep a picture and its reference together."""

import numpy as np
from mmcv.transforms import BaseTransform

from llv.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomCrop(BaseTransform):
    """Cut a window at a random place out of ``img`` and, at the same place, out of ``reference``.

    A side shorter than the window is kept whole, so that nothing is padded in front of an enhancer.

    Args:
        size: (height, width) of the window in pixels.

    Raises:
        ValueError: A reference has another size than its picture.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = tuple(size)

    def transform(self, results: dict) -> dict:
        """Cut; ``img_shape`` follows."""
        height, width = results['img'].shape[:2]
        reference = results.get('reference')
        if reference is not None and reference.shape[:2] != (height, width):
            raise ValueError(
                f'`{results.get("reference_path")}` has size {reference.shape[:2]} but its picture {(height, width)}; '
                'pair pictures of one size.'
            )
        top = np.random.randint(max(height - self.size[0], 0) + 1)
        left = np.random.randint(max(width - self.size[1], 0) + 1)
        window = np.s_[top : top + self.size[0], left : left + self.size[1]]
        results['img'] = results['img'][window]
        if reference is not None:
            results['reference'] = reference[window]
        results['img_shape'] = results['img'].shape[:2]
        return results
