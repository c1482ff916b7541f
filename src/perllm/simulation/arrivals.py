"""When requests arrive: renewal processes, their rate over time, and several of them put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import exp, lgamma, sqrt
from typing import Any, Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from perllm.simulation.rates import RateCurve, RateShape

Values = NDArray[Any]

# Bounds for the search of a Weibull shape: coefficients of variation from 0.0013 to 429.
_SMALLEST_SHAPE: Final = 0.1
_LARGEST_SHAPE: Final = 1000.0
_HALVINGS: Final = 80


class Process(StrEnum):
    """A distribution of the gaps between arrivals."""

    POISSON = "poisson"
    GAMMA = "gamma"
    WEIBULL = "weibull"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """A renewal process under a rate that may change. `shape` is that of the gamma or Weibull distribution."""

    process: Process = Process.POISSON
    shape: float = 1.0
    rate: RateShape = field(default_factory=RateShape)

    def gaps(self, rng: Generator, count: int) -> Values:
        """Draw gaps of mean 1. Any two draws one after the other are the same as one of both."""
        match self.process:
            case Process.POISSON:
                return rng.standard_exponential(count)
            case Process.GAMMA:
                return rng.standard_gamma(self.shape, count) / self.shape
            case Process.WEIBULL:
                mean = exp(lgamma(1.0 + 1.0 / self.shape))
                return np.asarray(rng.standard_exponential(count) ** (1.0 / self.shape) / mean)
            case Process.CONSTANT:
                return np.ones(count)


def gamma_shape(cv: float) -> float:
    """Return the shape of the gamma distribution with this coefficient of variation."""
    return 1.0 / (cv * cv)


def weibull_cv(shape: float) -> float:
    """Return the coefficient of variation of a Weibull distribution: CV² + 1 = Γ(1 + 2/k) / Γ(1 + 1/k)²."""
    return sqrt(max(exp(lgamma(1.0 + 2.0 / shape) - 2.0 * lgamma(1.0 + 1.0 / shape)) - 1.0, 0.0))


def weibull_shape(cv: float) -> float:
    """Return the shape of the Weibull distribution with this coefficient of variation, found by halving."""
    low, high = _SMALLEST_SHAPE, _LARGEST_SHAPE
    for _ in range(_HALVINGS):
        middle = sqrt(low * high)
        low, high = (middle, high) if weibull_cv(middle) > cv else (low, middle)
    return sqrt(low * high)


class Instants:
    """The instants of one process, chunk after chunk, without end."""

    def __init__(self, arrivals: Arrivals, rate_per_s: float, rng: Generator) -> None:
        self._arrivals = arrivals
        self._rate_per_s = rate_per_s
        self._rng = rng
        self._curve = None if arrivals.rate == RateShape() else RateCurve(arrivals.rate)
        self._ticks = 0.0
        self._latest_s = 0.0

    def take(self, count: int) -> Values:
        """Return the next instants, in order."""
        gaps = self._arrivals.gaps(self._rng, count)
        gaps[0] += self._ticks
        ticks = np.cumsum(gaps)
        self._ticks = float(ticks[-1])
        at_s: Values = ticks / self._rate_per_s
        if self._curve is not None:
            # Rounding must not let an instant fall behind the one before it.
            at_s = np.maximum.accumulate(np.maximum(self._curve.instants(at_s), self._latest_s))
            self._latest_s = float(at_s[-1])
        return at_s


def merged(sources: Sequence[Instants], chunk: int) -> Iterator[tuple[Values, Values]]:
    """Put processes together: yield instants in order and the number of the source of each, without end.

    Of equal instants the earlier source goes first, wherever the chunks end.
    """
    if len(sources) == 1:
        while True:
            yield sources[0].take(chunk), np.zeros(chunk, dtype=int)
    waiting = [source.take(chunk) for source in sources]
    while True:
        shortest = min(range(len(sources)), key=lambda source: waiting[source][-1])
        horizon_s = waiting[shortest][-1]
        # What lies at the horizon itself may have equals in chunks to come.
        ready = [int(np.searchsorted(each, horizon_s, side="left")) for each in waiting]
        if any(ready):
            yield _in_order([each[:count] for each, count in zip(waiting, ready, strict=True)])
            waiting = [each[count:] for each, count in zip(waiting, ready, strict=True)]
        waiting[shortest] = np.concatenate((waiting[shortest], sources[shortest].take(chunk)))


def _in_order(parts: Sequence[Values]) -> tuple[Values, Values]:
    at_s = np.concatenate(parts)
    source = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = np.argsort(at_s, kind="stable")
    return at_s[order], source[order]
