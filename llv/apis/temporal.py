"""Steady lighting of a video: maps and exposure averaged over time."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.models.enhancers import MapBasedEnhancer

from .enhancers import registered_enhancers
from .inference import to_device_of

_THUMBNAIL = 32  # sides at most, in which noise averages out
_CORRELATION = 0.5
_STEP = math.log(1.5)
_BLACK = 0.1 / 255
_SATURATED = 0.9
_FLAT = 1e-3


class SteadyLight:
    """Light the frames of a video with maps that do not flicker.

    An enhancer predicts its maps for each frame anew, so noise, and a lamp that enters the picture, change the light
    of everything. Here the maps are an exponential moving average over the frames: with the time dt to the frame
    before, the new map counts 1 − exp(−dt / seconds). Averaged maps alone would let a flickering exposure through,
    which an enhancer evens out in part. So the exposure is brought to its moving average too, before the maps are
    predicted: it is followed from frame to frame by the median over the picture of the ratio of brightness, which a
    lamp that covers less than half of the picture does not move.

    The average starts anew at a cut: where thumbnails of two consecutive frames, 32 pixels on the longer side,
    correlate by less than 0.5, or the exposure jumps by more than a factor of 1.5.

    Things that move drag the map of where they were behind them, for about the time constant.

    Args:
        enhancer: One that predicts maps: :class:`llv.models.enhancers.MapBasedEnhancer`.
        seconds: Time constant of the averages, above 0.

    Raises:
        ValueError: The enhancer predicts no maps, or `seconds` is not positive.
    """

    def __init__(self, enhancer: nn.Module, seconds: float) -> None:
        if not isinstance(enhancer, MapBasedEnhancer):
            able = sorted(
                kind.__name__
                for kind in registered_enhancers().values()
                if issubclass(kind, MapBasedEnhancer)
            )
            raise ValueError(
                f'`{type(enhancer).__name__}` predicts no maps that could be averaged over time; choose one of '
                f'{", ".join(able)}, or no smoothing.'
            )
        if not 0 < seconds < math.inf:
            raise ValueError(f'The time constant must be positive, but got {seconds} s.')
        self.enhancer = enhancer
        self.seconds = seconds
        self._thumbnail: Tensor | None = None
        self._time = 0.0

    @torch.no_grad()
    def __call__(self, images: Tensor, seconds: float) -> Tensor:
        """Light the next frame.

        Args:
            images: (1, 3, H, W) RGB in [0, 1] on any device, H and W at least the enhancer's ``minimum_size``.
            seconds: Its time in the video.

        Returns:
            (1, 3, H, W) RGB in [0, 1] on the enhancer's device.
        """
        images = to_device_of(self.enhancer, images)
        share = -math.expm1(-max(seconds - self._time, 0) / self.seconds)
        thumbnail = _thumbnail(images)
        step = None if self._thumbnail is None else exposure_step(self._thumbnail, thumbnail)
        starts = step is None or is_cut(self._thumbnail, thumbnail, step)
        self._thumbnail, self._time = thumbnail, seconds
        if starts:
            self._ahead = 0.0
        else:
            # how far the exposure, as a logarithm, is ahead of its average
            self._ahead = (1 - share) * (self._ahead + step)
            images = (images * math.exp(-self._ahead)).clamp(0, 1)
        maps = self.enhancer.maps_at(images, self.enhancer.estimate_scale)
        if starts:
            self._maps = maps
        else:
            self._maps = {name: torch.lerp(self._maps[name], maps[name], share) for name in maps}
        return self.enhancer.apply_maps(images, dict(self._maps)).image


def exposure_step(before: Tensor, now: Tensor) -> float:
    """Logarithm of the median ratio of brightness of two thumbnails; black and saturated values do not count."""
    both = torch.stack((before, now))
    usable = (both > _BLACK).all(dim=0) & (both < _SATURATED).all(dim=0)
    if not bool(usable.any()):
        return 0.0
    return float((now[usable] / before[usable]).log().median())


def is_cut(before: Tensor, now: Tensor, step: float) -> bool:
    """Whether another shot begins between two thumbnails, `step` being what :func:`exposure_step` says of them."""
    if abs(step) > _STEP:
        return True
    first, second = (x.flatten().double() - x.double().mean() for x in (before, now))
    flat = [bool(x.abs().max() < _FLAT) for x in (first, second)]
    if any(flat):
        return not all(flat)
    return float(first @ second / (first.norm() * second.norm())) < _CORRELATION


def _thumbnail(images: Tensor) -> Tensor:
    """Means of the cells of a grid, on the CPU."""
    height, width = images.shape[-2:]
    scale = max(height, width) / min(_THUMBNAIL, max(height, width))
    size = tuple(max(round(side / scale), 1) for side in (height, width))
    return F.adaptive_avg_pool2d(images, size)[0].cpu()
