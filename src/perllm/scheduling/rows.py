"""Rows and what is known of them, as lists in small fleets and as arrays in large ones: picked in the same way.

Both are typed as sequences: an array of floats does what is asked of one here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np

from perllm.scheduling.candidates import Candidates

Value = TypeVar("Value")


def listed(values: Sequence[Value]) -> Sequence[Value]:
    """Return a list for whoever loops over it."""
    given: Any = values
    return given.tolist() if isinstance(given, np.ndarray) else values


def at_least(rows: Sequence[int], values: Sequence[float], floor: float) -> Sequence[int]:
    """Return the rows whose value is not below `floor`."""
    given: Any = rows
    if isinstance(given, np.ndarray):
        return cast("Sequence[int]", given[np.asarray(values)[given] >= floor])
    return [row for row in rows if values[row] >= floor]


def together(rows: Sequence[int], more: Sequence[int]) -> list[int]:
    """Return both, one after the other."""
    given: Any = rows
    if isinstance(given, np.ndarray):
        return cast("list[int]", np.concatenate((given, np.asarray(more, dtype=np.intp))))
    return [*rows, *more]


def highest(scores: Sequence[float]) -> float:
    """Return the highest of some scores."""
    given: Any = scores
    return float(given.max()) if isinstance(given, np.ndarray) else max(scores)


def best_of(rows: Sequence[int], scores: Sequence[float], rng: np.random.Generator) -> int:
    """Return the row with the highest score; chance decides between equals."""
    given: Any = scores
    if isinstance(given, np.ndarray):
        (equals,) = (given == given.max()).nonzero()
        return int(rows[equals[rng.integers(len(equals)) if len(equals) > 1 else 0]])
    best = max(scores)
    if scores.count(best) == 1:
        return rows[scores.index(best)]
    ties = [row for row, score in zip(rows, scores, strict=True) if score == best]
    return ties[int(rng.integers(len(ties)))]


def as_lists(candidates: Candidates) -> Candidates:
    """Return the same candidates with lists for columns."""
    return Candidates(
        total_s=listed(candidates.total_s),
        first_token_s=listed(candidates.first_token_s),
        token_s=listed(candidates.token_s),
        in_time_probability=listed(candidates.in_time_probability),
        energy_j=listed(candidates.energy_j),
        outstanding=listed(candidates.outstanding),
        violations=candidates.violations,
        feasible=list(listed(candidates.feasible)),
        servers=candidates.servers,
        harm=listed(candidates.harm),
    )
