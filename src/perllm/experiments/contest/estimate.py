"""Means with their intervals, of one thing over seeds or of two things over the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log, sqrt
from statistics import fmean, stdev
from typing import Final

from msgspec import Struct

from perllm.experiments.contest.student import cdf, quantile

CONFIDENCE: Final = 0.95
METHOD: Final = (
    "Intervals are 95 % t intervals over seeds. Ratios pair runs of the same seed: the interval is that of the mean of"
    " the logarithms, and the ratio their geometric mean."
)


class Estimate(Struct, frozen=True, kw_only=True):
    """A mean over `seeds` values. With one there is no interval."""

    mean: float
    low: float | None
    high: float | None
    seeds: int


def estimate(values: Sequence[float | None]) -> Estimate | None:
    """Return the mean and its t interval; None where nothing is known, or not of every seed."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    mean = fmean(known)
    if len(known) == 1:
        return Estimate(mean=mean, low=None, high=None, seeds=1)
    half = quantile(0.5 + CONFIDENCE / 2.0, len(known) - 1) * _error(known)
    return Estimate(mean=mean, low=mean - half, high=mean + half, seeds=len(known))


def paired(ours: Mapping[int, float | None], theirs: Mapping[int, float | None]) -> list[tuple[float, float]]:
    """Return both values of every seed for which both are known, in the order of seeds."""
    pairs = ((ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys()))
    return [(one, other) for one, other in pairs if one is not None and other is not None]


def ratio_estimate(pairs: Sequence[tuple[float, float]]) -> Estimate | None:
    """Return the geometric mean of first over second; None without pairs, or where one is no positive number."""
    logs = _logs(pairs)
    found = estimate(logs) if logs else None
    if found is None:
        return None
    low, high = (None if end is None else exp(end) for end in (found.low, found.high))
    return Estimate(mean=exp(found.mean), low=low, high=high, seeds=found.seeds)


def difference_estimate(pairs: Sequence[tuple[float, float]]) -> Estimate | None:
    """Return the mean of first less second."""
    return estimate([one - other for one, other in pairs])


def smaller_p(pairs: Sequence[tuple[float, float]], than: float) -> float | None:
    """Return the p-value of the one-sided paired t test that first over second is below `than`, on logarithms.

    Small: the ratio is below. None with fewer than two pairs, or where one is no positive number.
    """
    logs = _logs(pairs)
    if logs is None or len(logs) < 2:
        return None
    distance, error = fmean(logs) - log(than), _error(logs)
    if error == 0.0:
        return 0.0 if distance < 0.0 else 1.0
    return cdf(distance / error, len(logs) - 1)


def _logs(pairs: Sequence[tuple[float, float]]) -> list[float] | None:
    if not pairs or any(one <= 0.0 or other <= 0.0 for one, other in pairs):
        return None
    return [log(one / other) for one, other in pairs]


def _error(values: Sequence[float]) -> float:
    return stdev(values) / sqrt(len(values))
