"""How sure a difference is that was measured on one set of pictures.

Pictures are drawn again with replacement, the same draws for everything that is compared, and the figure of the whole
set is reckoned anew for each draw. So what makes a picture hard for all arms cancels in their differences.

Intervals are expanded percentiles (Hesterberg, What Teachers Should Know About the Bootstrap, 2014, section 3.4): plain
percentiles of n pictures are too narrow by √((n − 1) / n) and by the difference between the normal and Student's t,
which matters with few pictures and vanishes with many. Differences of several enhancers are judged after Holm (1979).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from llv.benchmark.statistics import CONFIDENCE, student_t

MINIMUM_PICTURES = 5
# a figure that so many draws do not have (no object of any class was drawn) has no interval
_UNDEFINED = 0.05


@dataclass(frozen=True)
class Difference:
    """A figure, or a difference of two, of the whole set.

    Attributes:
        value: Of the set itself; None where it has none, such as an average precision without objects.
        low, high: Ends of the 95 % interval; None where too many draws have no value.
        strength: How many standard errors the value is away from 0, on the scale of Student's t with n − 1 degrees of
            freedom.
    """

    value: float | None
    low: float | None
    high: float | None
    strength: float


def draw_pictures(pictures: int, resamples: int, seed: int = 0) -> np.ndarray:
    """How often each picture is in each draw of as many pictures, with replacement.

    Returns:
        (resamples, pictures) int32; rows sum to `pictures`.
    """
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            np.bincount(rng.integers(0, pictures, pictures), minlength=pictures).astype(np.int32)
            for _ in range(resamples)
        ]
    )


def difference(value: float, drawn: np.ndarray, pictures: int) -> Difference:
    """The interval of a figure.

    Args:
        value: Of the set itself; NaN where it has none.
        drawn: (B,) of the draws; for a difference, of differences within each draw. NaN where a draw has none.
        pictures: Number of pictures that the figure is of.
    """
    if math.isnan(value):
        return Difference(None, None, None, 0.0)
    value = float(value)
    there = drawn[~np.isnan(drawn)]
    if pictures < 2 or len(there) < (1 - _UNDEFINED) * len(drawn):
        return Difference(value, None, None, 0.0)
    tail = expanded_tail(pictures)
    low, high = (float(end) for end in np.quantile(there, (tail, 1 - tail)))
    beyond = min((there <= 0).sum(), (there >= 0).sum())
    share = min((int(beyond) + 1) / (len(there) + 1), 0.5)
    strength = -NormalDist().inv_cdf(share) * math.sqrt((pictures - 1) / pictures)
    return Difference(value, low, high, strength)


@functools.cache
def expanded_tail(pictures: int, confidence: float = CONFIDENCE) -> float:
    """The share of draws beyond each end of the expanded interval."""
    wide = math.sqrt(pictures / (pictures - 1)) * _student(pictures, confidence)
    return NormalDist().cdf(-wide)


@functools.cache
def _student(pictures: int, confidence: float) -> float:
    # a sum of as many terms as degrees, and no other number beyond ten thousand of them
    return student_t(min(pictures - 1, 10_000), confidence)


def holm(strengths: Sequence[float], pictures: int, confidence: float = CONFIDENCE) -> list[bool]:
    """Which of several differences are real, so that with `confidence` none of them is called so by chance.

    Holm's procedure: the strongest must pass at 1 − α / m, the next at 1 − α / (m − 1) …, and the first that fails ends
    it.

    Args:
        strengths: As of :class:`Difference`.
        pictures: Number of pictures behind all of them.
        confidence: 1 − α.
    """
    real = [False] * len(strengths)
    order = sorted(range(len(strengths)), key=lambda i: -strengths[i])
    for rank, index in enumerate(order):
        level = 1 - (1 - confidence) / (len(strengths) - rank)
        if strengths[index] <= _student(pictures, level):
            break
        real[index] = True
    return real


def check_resamples(resamples: int, pictures: int, enhancers: int) -> None:
    """Refuse so few pictures or draws that nothing could be found.

    Raises:
        ValueError: The strongest difference there can be would not pass, or there are fewer than five pictures.
    """
    if pictures < MINIMUM_PICTURES:
        raise ValueError(
            f'The set has {pictures} picture{"s" * (pictures != 1)}, but a difference needs {MINIMUM_PICTURES} at '
            'least, and some hundred to be found where it is small; label more.'
        )
    level = 1 - (1 - CONFIDENCE) / enhancers
    needed = math.floor(1 / expanded_tail(pictures, level)) + 1
    if resamples < needed:
        raise ValueError(
            f'`--bootstrap {resamples}` is too few for {enhancers} enhancer{"s" * (enhancers != 1)} on {pictures} '
            f'pictures, because no difference could be told from chance; give {needed} or more.'
        )
