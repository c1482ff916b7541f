"""Student's t distribution for whole degrees of freedom, exact and without tables."""

from __future__ import annotations

from math import atan, cos, pi, sin, sqrt
from typing import Final

_HALVINGS: Final = 200


def cdf(t: float, freedom: int) -> float:
    """Return P(T ≤ t), by the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = atan(t / sqrt(freedom))
    cosine, odd = cos(angle), freedom % 2
    term = cosine if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for step in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (step - 1) / step
        total += term
    between = 2.0 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
    return min(1.0, max(0.0, 0.5 * (1.0 + between)))


def quantile(share: float, freedom: int) -> float:
    """Return the t that is not exceeded with a probability of `share`."""
    if share < 0.5:
        return -quantile(1.0 - share, freedom)
    low, high = 0.0, 1.0
    while cdf(high, freedom) < share and high < 1e12:
        low, high = high, 2.0 * high
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if cdf(middle, freedom) < share else (low, middle)
    return 0.5 * (low + high)
