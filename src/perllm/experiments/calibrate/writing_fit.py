"""From measured decode steps to constants.

step = max(n·decode, weights + ctx·context) + step + n·sequence + (batching where n > 1)

Which term ruled a step cannot be seen, so both are tried: with one dividing line (from so many answers on, arithmetic),
then corrected until the fitted constants agree with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

import numpy as np

from perllm.experiments.calibrate.least_squares import Fit, Floats, fit, simplest
from perllm.experiments.calibrate.samples import Step

TERMS: Final = ("decode", "weights", "context", "step", "sequence")
_BATCHING: Final = "batching"
_MUCH_BETTER: Final = 0.8
"""Few engines treat a lone answer apart, and noise can look like it: our choice, half of what other constants do for
their place."""
_MEMORY: Final = frozenset({"weights", "context"})
_CORRECTIONS: Final = 10
_LEAST_SIGMA: Final = 0.15
"""A number of answers that the formula misses by a quarter is no outlier: the formula lacks a constant."""


def fit_steps(samples: Sequence[Step]) -> Fit | None:
    """Find the simplest constants (seconds, by the names in `TERMS` and `batching`) that explain the steps.

    Where two sets of constants say the same, as one that grows with the batch by arithmetic or by overhead, the one
    with less overhead is taken.
    """
    batch = np.array([sample.batch for sample in samples], dtype=np.float64)
    context = np.array([sample.context_tokens for sample in samples])
    seconds = np.array([sample.seconds for sample in samples])
    usual, apart = (
        simplest(
            found
            for size in range(1, len(TERMS) + 1)
            for terms in combinations(TERMS, size)
            for found in _fits((*terms, *more), batch, context, seconds)
        )
        for more in ((), (_BATCHING,))
    )
    if usual is None or (apart is not None and apart.error < _MUCH_BETTER * usual.error):
        return apart
    return usual


def most_decode_s(constants: dict[str, float], samples: Sequence[Step]) -> float:
    """The longest arithmetic per answer that would have stayed hidden behind memory traffic in every step measured."""
    weights, context = constants.get("weights", 0.0), constants.get("context", 0.0)
    return min((weights + context * sample.context_tokens) / sample.batch for sample in samples)


def _fits(terms: tuple[str, ...], batch: Floats, context: Floats, seconds: Floats) -> Iterator[Fit]:
    for ruled in _first_guesses(terms, batch):
        found = _corrected(terms, batch, context, seconds, ruled)
        if found is not None:
            yield found


def _first_guesses(terms: tuple[str, ...], batch: Floats) -> Iterator[Floats]:
    """For every step, 1 where arithmetic rules it and 0 where memory does."""
    if "decode" not in terms:
        yield np.zeros_like(batch)
    elif _MEMORY.isdisjoint(terms):
        yield np.ones_like(batch)
    else:
        for least in np.unique(batch)[1:]:
            yield (batch >= least).astype(np.float64)


def _corrected(terms: tuple[str, ...], batch: Floats, context: Floats, seconds: Floats, ruled: Floats) -> Fit | None:
    """Fit, and move steps to the term that rules them by the fitted constants, until none moves."""
    for _ in range(_CORRECTIONS):
        memory = 1.0 - ruled
        columns = {
            "decode": batch * ruled,
            "weights": memory,
            "context": context * memory,
            "step": np.ones_like(batch),
            "sequence": batch,
            "batching": (batch > 1).astype(np.float64),
        }
        found = fit({term: columns[term] for term in terms}, seconds, shares=_shares(batch), least_sigma=_LEAST_SIGMA)
        if found is None:
            return None
        now_ruled = _ruled_by_arithmetic(found, batch, context)
        if np.array_equal(now_ruled, ruled):
            return replace(found, implausibility=_overhead(found, batch, seconds))
        ruled = now_ruled
    return None


def _shares(batch: Floats) -> Floats:
    """Let every number of answers count alike, however often it was measured: all of them will be served."""
    sizes, place, times = np.unique(batch, return_inverse=True, return_counts=True)
    shares: Floats = len(batch) / len(sizes) / times[place]
    return shares


def _ruled_by_arithmetic(found: Fit, batch: Floats, context: Floats) -> Floats:
    told = found.constants
    arithmetic = batch * told.get("decode", 0.0)
    memory = told.get("weights", 0.0) + context * told.get("context", 0.0)
    return (arithmetic > memory).astype(np.float64)


def _overhead(found: Fit, batch: Floats, seconds: Floats) -> float:
    """The share of a lone answer's step that is explained by overhead."""
    told = found.constants
    alone_s = float(np.median(seconds[batch == batch.min()]))
    return (told.get("step", 0.0) + told.get("sequence", 0.0) * float(batch.min())) / alone_s
