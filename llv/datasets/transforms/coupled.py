"""Crops, flips and turns of a picture and a reference that is larger by a whole factor."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform

from llv.registry import TRANSFORMS


def cut_both(results: dict, scale: int, top: int, left: int, height: int, width: int) -> dict:
    """Cut a window out of ``img`` and, where there is one, what it shows out of ``reference``; ``img_shape`` follows.

    Args:
        results: With ``img`` (H, W, 3) and perhaps ``reference`` (scale · H, scale · W, 3).
        scale: Sides of the reference in those of the picture.
        top, left, height, width: The window, in pixels of ``img``.

    Raises:
        ValueError: The reference has another size.
    """
    picture, reference = results['img'], results.get('reference')
    if reference is not None:
        wanted = tuple(scale * side for side in picture.shape[:2])
        if reference.shape[:2] != wanted:
            raise ValueError(
                f'`{results.get("reference_path")}` has size {reference.shape[:2]}, but at `scale={scale}` the '
                f'reference of `{results.get("img_path")}` has {wanted}; pair pictures that differ by that factor.'
            )
        results['reference'] = reference[
            scale * top : scale * (top + height), scale * left : scale * (left + width)
        ]
    results['img'] = picture[top : top + height, left : left + width]
    results['img_shape'] = results['img'].shape[:2]
    return results


def _at_least_one(argument: str, value: int) -> int:
    if value < 1:
        raise ValueError(f'`{argument}` is a whole number of at least 1, but got {value}.')
    return value


@TRANSFORMS.register_module()
class CoupledRandomCrop(BaseTransform):
    """Cut a window at a random place out of ``img``, and the same part of the scene out of ``reference``, which is
    `scale` times as large.

    A side shorter than the window is kept whole, so that nothing is padded in front of an enhancer.

    Args:
        size: Side of a square window, or (height, width), in pixels of ``img``; `scale` times that in ``reference``.
        scale: Sides of the reference in those of the picture.

    Raises:
        ValueError: An argument is out of range, or a reference has another size.
    """

    def __init__(self, size: int | tuple[int, int], scale: int) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        _at_least_one('size', min(self.size))
        self.scale = _at_least_one('scale', scale)

    def transform(self, results: dict) -> dict:
        """Cut; ``img_shape`` follows."""
        sides = results['img'].shape[:2]
        window = [min(side, size) for side, size in zip(sides, self.size, strict=True)]
        place = [
            np.random.randint(side - length + 1) for side, length in zip(sides, window, strict=True)
        ]
        return cut_both(results, self.scale, *place, *window)


@TRANSFORMS.register_module()
class CoupledCropToMultiple(BaseTransform):
    """Cut the right and lower border off ``img``, so that its sides are multiples of a number, and the same part of
    the scene off ``reference``.

    With 16, pictures of 625 pixels become 624, as in the copy of RELLISUR that TriCo's authors seem to measure on.

    Args:
        crop_multiple: What the sides of ``img`` are to be multiples of.
        scale: Sides of the reference in those of the picture.

    Raises:
        ValueError: An argument is out of range, a picture is smaller than `crop_multiple`, or a reference has another
            size.
    """

    def __init__(self, crop_multiple: int, scale: int) -> None:
        self.crop_multiple = _at_least_one('crop_multiple', crop_multiple)
        self.scale = _at_least_one('scale', scale)

    def transform(self, results: dict) -> dict:
        """Cut; ``img_shape`` follows."""
        sides = results['img'].shape[:2]
        if min(sides) < self.crop_multiple:
            raise ValueError(
                f'`{results.get("img_path")}` has size {tuple(sides)}, of which '
                f'`crop_multiple={self.crop_multiple}` leaves nothing; choose a smaller one.'
            )
        return cut_both(
            results, self.scale, 0, 0, *(side - side % self.crop_multiple for side in sides)
        )


@TRANSFORMS.register_module()
class CoupledFlips(BaseTransform):
    """Mirror left-right, mirror top-bottom and exchange rows and columns, each by itself with probability `prob`,
    ``img`` and ``reference`` alike, whatever their sizes.

    These three make all flips and quarter turns; at one half, all eight outcomes are equally likely. Pictures that are
    not square change their shape, so cut them square before if they are to make one batch.

    Args:
        prob: Probability of each.
        turns: False never exchanges rows and columns, so only the four outcomes without a quarter turn remain.

    Raises:
        ValueError: `prob` is no probability.
    """

    def __init__(self, prob: float = 0.5, turns: bool = True) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'`prob` is a probability from 0 to 1, but got {prob}.')
        self.prob = prob
        self.turns = turns

    def transform(self, results: dict) -> dict:
        """Mirror and turn; ``img_shape`` follows."""
        mirrored, toppled, exchanged = np.random.random_sample(3) < self.prob
        for name in ('img', 'reference'):
            if name in results:
                picture = results[name][:: -1 if toppled else 1, :: -1 if mirrored else 1]
                if exchanged and self.turns:
                    picture = picture.swapaxes(0, 1)
                results[name] = np.ascontiguousarray(picture)
        results['img_shape'] = results['img'].shape[:2]
        return results
