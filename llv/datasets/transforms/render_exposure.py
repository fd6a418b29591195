"""Re-rendering pictures darker or brighter with one gamma."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from llv.registry import TRANSFORMS

FORMS = {
    'inverted': lambda values, gamma: 1 - (1 - values) ** gamma,
    'power': lambda values, gamma: values ** (1 / gamma),
}


@TRANSFORMS.register_module()
class RenderExposure(BaseTransform):
    """Change the exposure of ``results['img']`` by a gamma: below 1 darker, above 1 brighter, 1 as it is.

    For experiments like PSENet's (WACV 2023, section 5), where a face detector meets FDDB re-rendered at several
    gammas, low ones too dark and high ones too bright. Its formula is not published; both forms here have this
    direction. ``reference`` and labels stay as they are.

    Args:
        gamma: Above 0.
        form: With I in [0, 1], ``'inverted'`` for 1 − (1 − I)^gamma, which keeps dark tones apart and presses bright
            ones together as over-exposure does, or ``'power'`` for I^(1 / gamma).

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, gamma: float, form: str = 'inverted') -> None:
        if not (np.isfinite(gamma) and gamma > 0):
            raise ValueError(f'`gamma` must be a number above 0, but got {gamma}.')
        if form not in FORMS:
            raise ValueError(f"`form` must be 'inverted' or 'power', but got {form!r}.")
        self.gamma = gamma
        self.form = form
        self.table = np.rint(255 * FORMS[form](np.arange(256) / 255, gamma)).astype(np.uint8)

    def transform(self, results: dict) -> dict:
        """Replace ``img``, (H, W, 3) or (H, W) uint8 of any colour order, by one of the same kind.

        Raises:
            TypeError: ``img`` does not hold 8 bits.
        """
        picture = results['img']
        if picture.dtype != np.uint8:
            raise TypeError(
                f'`RenderExposure` needs 8-bit pictures, but `img` holds {picture.dtype}; put it '
                'right after loading, and load without `to_float32`.'
            )
        # OpenCV leaves out a third axis of length 1
        results['img'] = cv2.LUT(picture, self.table).reshape(picture.shape)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(gamma={self.gamma}, form={self.form!r})'
