"""The control that multiplies every picture by the same three numbers."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from llv.registry import MODELS

from .base import BaseEnhancer, Enhancement
from .curve_fit import fit_curve

_RANGE = (0.05, 100.0)


def fit_fixed_gain(dark: Iterable[Tensor], target: Iterable[Tensor]) -> Tensor:
    """The channel gains that bring the mean of the dark pictures to that of the target pictures.

    Args:
        dark: Pictures, each (3, H, W) RGB in [0, 1]; sizes may differ, every picture counts the same.
        target: Well-lit pictures of the same kind; they need not show the same scenes.

    Returns:
        (3,) gains for R, G and B.

    Raises:
        ValueError: One of the sets is empty, or a channel of the dark set is black throughout.
    """
    means = []
    for name, pictures in (('dark', dark), ('target', target)):
        total, count = torch.zeros(3, dtype=torch.float64), 0
        for picture in pictures:
            total += picture.double().mean(dim=(-2, -1))
            count += 1
        if not count:
            raise ValueError(f'`{name}` holds no picture; give at least one.')
        means.append(total / count)
    if not bool((means[0] > 0).all()):
        raise ValueError('`dark` is black throughout in one channel; no gain brings it to a mean.')
    return (means[1] / means[0]).float()


def fit_single_gain(dark: Iterable[Tensor], target: Iterable[Tensor]) -> float:
    """The one gain in 0.05 … 100 for all channels that brings dark pictures nearest to their targets.

    Least squares of clip(gain · y, 0, 1) over all pixels and pairs, see
    :func:`llv.models.enhancers.curve_fit.fit_curve`; arguments and errors are the same.
    """
    return fit_curve(dark, target, lambda levels, gain: (gain * levels).clamp(max=1), _RANGE)


@MODELS.register_module()
class FixedGain(BaseEnhancer):
    """u = clip(gain · y, 0, 1) with one gain a channel for all pictures.

    The baseline that every table of enhancers must hold: the published scene modules of RUAS are almost exactly this
    (their illumination hardly varies inside a picture or between pictures). Nothing is trained; the gains are
    fitted on a training set with :func:`fit_fixed_gain` and travel in the checkpoint.

    Args:
        gain: One number for all channels or three for R, G, B; positive.
        weights: Checkpoint to take the gains from instead.
    """

    receptive_field = 1

    def __init__(self, gain: float | Sequence[float] = 1.0, weights: str | None = None) -> None:
        super().__init__(weights)
        gains = torch.as_tensor(gain, dtype=torch.float32).flatten()
        if gains.numel() not in (1, 3) or not bool((gains > 0).all()):
            raise ValueError(f'`gain` must be one or three positive numbers, but got {gain!r}.')
        self.register_buffer('gain', gains.expand(3).clone().view(1, 3, 1, 1))
        self.load_weights()

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in [0, 1] in, the same shape out."""
        raw = images * self.gain
        return Enhancement(raw.clamp(0, 1), dict(raw=raw))
