"""What a few seeds say: means with Student-t intervals, paired differences, and amounts that give equal scores."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """The mean of some measurements and how sure it is.

    Attributes:
        mean: Arithmetic mean.
        spread: Sample standard deviation (over n − 1); None for one measurement.
        half_width: Half the width of the Student-t interval of 95 % around the mean; None for one measurement.
        count: Number of measurements.
    """

    mean: float
    spread: float | None
    half_width: float | None
    count: int


def student_t(degrees: int, confidence: float = CONFIDENCE) -> float:
    """The t with P(|T| ≤ t) = `confidence` for Student's distribution.

    For whole degrees of freedom the probability is a finite sum (Abramowitz and Stegun, 26.7.3 and 26.7.4), which is
    inverted by bisection; so nothing but the standard library is needed.

    Args:
        degrees: Degrees of freedom, 1 and more.
        confidence: Between 0 and 1.

    Raises:
        ValueError: An argument is outside its range.
    """
    if degrees < 1 or degrees != int(degrees):
        raise ValueError(f'`degrees` must be a whole number from 1, but got {degrees!r}.')
    if not 0 < confidence < 1:
        raise ValueError(f'`confidence` must be between 0 and 1, but got {confidence!r}.')
    # t = √ν · tan θ: the angle has bounds, t has none
    low, high = 0.0, math.pi / 2
    while True:
        middle = (low + high) / 2
        if middle in (low, high):  # neighbours among floating-point numbers
            return math.sqrt(degrees) * math.tan(middle)
        if _inside(middle, int(degrees)) < confidence:
            low = middle
        else:
            high = middle


def _inside(angle: float, degrees: int) -> float:
    """P(|T| ≤ √ν · tan θ)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(degrees // 2):
        total += term
        # 2/3, 4/5 … for odd degrees, 1/2, 3/4 … for even ones
        term *= cosine**2 * (2 * k + 1 + odd) / (2 * k + 2 + odd)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, spread and interval of independent measurements, such as one a seed.

    Raises:
        ValueError: There are no values.
    """
    count = len(values)
    if not count:
        raise ValueError('`values` is empty; an estimate needs one measurement at least.')
    mean = math.fsum(values) / count
    if count == 1:
        return Estimate(mean, None, None, 1)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    return Estimate(mean, spread, student_t(count - 1) * spread / math.sqrt(count), count)


def paired_difference(
    values: Mapping[Hashable, float], baseline: Mapping[Hashable, float]
) -> Estimate | None:
    """The mean of `values` − `baseline` over the seeds that both have.

    What a seed does to both (its pictures, its order, its start) cancels, so the interval is narrower than that of
    two independent means wherever the two go together.

    Args:
        values: Scores by seed.
        baseline: Scores by seed of what they are compared with.

    Returns:
        The estimate of the difference; None where no seed is in both.
    """
    shared = [values[seed] - baseline[seed] for seed in values if seed in baseline]
    return estimate(shared) if shared else None


def amount_for(curve: Sequence[tuple[float, float]], target: float) -> float | None:
    """The smallest amount at which a mean curve reaches a score.

    Between its points the curve is straight over the logarithm of the amount. With the curve of arm A and the score
    of arm B at N₀ this is the N at which A equals B at N₀.

    Args:
        curve: (amount, mean score), in any order; amounts are positive.
        target: The score to reach; higher is better.

    Returns:
        The amount; None where the curve does not reach `target`, and where its first point is better already: then the
        amount lies outside of what was measured.

    Raises:
        ValueError: There is no point, or an amount is not positive.
    """
    points = sorted(curve)
    if not points or points[0][0] <= 0:
        raise ValueError(
            '`curve` must have points at positive amounts, since it is read over their logarithm.'
        )
    if points[0][1] > target:
        return None
    for (n, score), (more, better) in zip(points, points[1:], strict=False):
        if score == target:
            return float(n)
        if score < target <= better:
            share = (target - score) / (better - score)
            return math.exp(math.log(n) + share * (math.log(more) - math.log(n)))
    return float(points[-1][0]) if points[-1][1] == target else None
