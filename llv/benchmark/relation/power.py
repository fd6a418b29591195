"""How small a gain a paired comparison could have found."""

from __future__ import annotations

import math

from llv.benchmark.statistics import CONFIDENCE, Estimate, student_t

POWER = 0.8


def detectable(difference: Estimate, power: float = POWER) -> float | None:
    """The smallest true gain that an interval of 95 % would have excluded zero for, in `power` of all such studies.

    ``(t(0.975) + t(power)) · s / √n`` with n − 1 degrees of freedom, s the standard deviation of the paired
    differences: the usual approximation of the noncentral t distribution, within 1 % of it from n = 5.

    Args:
        difference: Of the paired scores.
        power: Between 0.5 and 1.

    Returns:
        The gain in the unit of the scores; None for one pair.

    Raises:
        ValueError: `power` is outside its range.
    """
    if not 0.5 < power < 1:
        raise ValueError(f'`power` must be between 0.5 and 1, but got {power!r}.')
    if difference.spread is None:
        return None
    degrees = difference.count - 1
    # one-sided: P(T ≤ t) = power  ⇔  P(|T| ≤ t) = 2 · power − 1
    sum_of_both = student_t(degrees, CONFIDENCE) + student_t(degrees, 2 * power - 1)
    return sum_of_both * difference.spread / math.sqrt(difference.count)
