"""The one tone curve of a family that brings dark pictures nearest to their well-lit partners."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

# every 8-bit and every 16-bit level lies on this grid
_LEVELS = 65536
_GRID = 120
_GOLDEN = (math.sqrt(5) - 1) / 2


def fit_curve(
    dark: Iterable[Tensor],
    target: Iterable[Tensor],
    curve: Callable[[Tensor, float], Tensor],
    bounds: tuple[float, float],
) -> float:
    """The parameter p for which mean (curve(y, p) - target)² over all pairs is smallest.

    A scan of p on a logarithmic grid, then a golden-section search around its best value. Pictures are read once, one
    pair at a time.

    Args:
        dark: Pictures, each (3, H, W) RGB in [0, 1]; sizes may differ, every pair counts the same.
        target: Well-lit pictures of the same scenes, in the same order, of the same sizes.
        curve: Maps levels (n,) in [0, 1] and p to lit levels (n,).
        bounds: Smallest and largest p, positive.

    Returns:
        p, to four digits.

    Raises:
        ValueError: There is no pair, one set has more pictures than the other, or the sizes of a pair differ.
    """
    counts = torch.zeros(_LEVELS, dtype=torch.float64)
    sums = torch.zeros(_LEVELS, dtype=torch.float64)
    pairs = 0
    end = object()
    iterators = iter(dark), iter(target)
    while True:
        picture, partner = (next(iterator, end) for iterator in iterators)
        if picture is end and partner is end:
            break
        if picture is end or partner is end:
            raise ValueError(
                f'`{"dark" if picture is end else "target"}` holds {pairs} pictures and the other set '
                'more; give pairs.'
            )
        if picture.shape != partner.shape:
            raise ValueError(
                f'Pair {pairs} of `dark` and `target` has the sizes {tuple(picture.shape)} and '
                f'{tuple(partner.shape)}; give pairs of one size.'
            )
        # the error of any γ follows from how many pixels a level has and what their targets sum to
        levels = (picture.detach().double() * (_LEVELS - 1)).round().clamp(0, _LEVELS - 1)
        levels = levels.long().flatten().cpu()
        values = partner.detach().double().flatten().cpu()
        counts += torch.bincount(levels, minlength=_LEVELS) / len(levels)
        sums += torch.bincount(levels, values, minlength=_LEVELS) / len(levels)
        pairs += 1
    if not pairs:
        raise ValueError('`dark` and `target` hold no picture; give at least one pair.')
    used = counts > 0
    grid = torch.linspace(0, 1, _LEVELS, dtype=torch.float64)[used]
    counts, sums = counts[used], sums[used]

    def error(log_value: float) -> float:
        """The mean squared error up to a constant."""
        lit = curve(grid, math.exp(log_value))
        return float((counts * lit * lit - 2 * sums * lit).sum())

    low, high = (math.log(bound) for bound in bounds)
    step = (high - low) / _GRID
    best = min((low + i * step for i in range(_GRID + 1)), key=error)
    low, high = max(low, best - step), min(high, best + step)
    while high - low > 1e-5:
        first, second = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if error(first) < error(second):
            high = second
        else:
            low = first
    return round(math.exp((low + high) / 2), 4)
