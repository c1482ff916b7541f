"""Samples and what is told of them: mean and percentiles, or nothing where there were none."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

Summary = dict[str, float | None]


def samples(values: Iterable[float] = ()) -> array[float]:
    """Return a growing list of doubles, eight bytes each."""
    return array("d", values)


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """Return the smallest sample that at least `percent` per cent of the samples do not exceed.

    This is the nearest-rank rule: the answer is always a value that was observed. None if there is none.
    """
    rank = -(-len(ordered) * percent // 100)
    return ordered[rank - 1] if rank else None


def summarise(values: Iterable[float]) -> Summary:
    """Return mean, p50, p95 and p99, each None where there is no sample."""
    ordered = sorted(values)
    return {
        "mean": sum(ordered) / len(ordered) if ordered else None,
        "p50": percentile(ordered, 50),
        "p95": percentile(ordered, 95),
        "p99": percentile(ordered, 99),
    }


def ratio(numerator: float, denominator: float | None) -> float | None:
    """Divide, or answer None where there is nothing to divide by, or nothing known."""
    return float(numerator / denominator) if denominator else None
