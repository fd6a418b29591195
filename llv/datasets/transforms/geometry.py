"""Crops and flips that keep a picture and its reference together."""

import numpy as np
from mmcv.transforms import BaseTransform

from llv.registry import TRANSFORMS

from .pairs import change_both


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
        top = np.random.randint(max(height - self.size[0], 0) + 1)
        left = np.random.randint(max(width - self.size[1], 0) + 1)
        window = np.s_[top : top + self.size[0], left : left + self.size[1]]
        return change_both(results, lambda picture: picture[window])


@TRANSFORMS.register_module()
class RandomFlips(BaseTransform):
    """Mirror left-right, mirror top-bottom and turn by 180°, each by itself with probability `prob`, ``img`` and
    ``reference`` alike.

    The augmentation of FECNet and ECLNet, two of ERL's host networks. Any two of the three make the third, so at one
    half all four outcomes are equally likely.

    Args:
        prob: Probability of each.

    Raises:
        ValueError: A reference has another size than its picture.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'`prob` is a probability from 0 to 1, but got {prob}.')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Mirror and turn."""
        mirrored, toppled, turned = np.random.random_sample(3) < self.prob
        rows = slice(None, None, -1 if toppled ^ turned else 1)
        columns = slice(None, None, -1 if mirrored ^ turned else 1)
        return change_both(results, lambda picture: np.ascontiguousarray(picture[rows, columns]))
