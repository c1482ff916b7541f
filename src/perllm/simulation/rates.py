"""How the rate of arrivals changes over time, and the clock on which it does not change."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, pi
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]

# Newton's steps double the correct digits; halving the bracket alone would need about 60.
_MOST_STEPS: Final = 100
# Relative: a tenth of a microsecond after a day.
_TOLERANCE: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Diurnal:
    """A wave that averages to 1: `depth` above it at `peak_at_s`, as far below it half a period later."""

    period_s: float
    depth: float
    peak_at_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """A time during which the rate is `factor` times what it would be."""

    from_s: float
    to_s: float
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A straight way from the factor before it to `factor`, which then holds; at once where it takes no time."""

    from_s: float
    to_s: float
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateShape:
    """The rate over time, relative to its base: the product of a wave, of ramps (in order) and of spikes."""

    diurnal: Diurnal | None = None
    ramps: tuple[Ramp, ...] = ()
    spikes: tuple[Spike, ...] = ()


class RateCurve:
    """The cumulative rate Λ(t) = ∫₀ᵗ λ of a shape, and its inverse, in closed form piece by piece.

    Arrivals at operational times τ on the clock that ticks evenly happen at Λ⁻¹(τ): so any renewal process follows a
    changing rate and keeps its character, and no draw is thrown away.
    """

    def __init__(self, shape: RateShape) -> None:
        wave = shape.diurnal
        self._depth = 0.0 if wave is None else wave.depth
        self._omega = 1.0 if wave is None else 2 * pi / wave.period_s
        self._peak_at_s = 0.0 if wave is None else wave.peak_at_s
        changes: tuple[Ramp | Spike, ...] = (*shape.ramps, *shape.spikes)
        ends = {end for each in changes for end in (each.from_s, each.to_s)}
        self._starts_s = np.array(sorted({0.0, *ends}))
        self._lengths_s = np.append(np.diff(self._starts_s), inf)
        self._levels, self._slopes = self._pieces(shape)
        last = len(self._starts_s) - 1
        if self._levels[last] <= 0.0:
            raise ValueError("the rate must not stay at 0: no request would arrive any more")
        whole = self._area(np.arange(last), self._lengths_s[:-1])
        self._areas = np.concatenate(([0.0], np.cumsum(whole)))

    def cumulative(self, at_s: Values) -> Values:
        """Return Λ at each instant."""
        piece = np.searchsorted(self._starts_s, at_s, side="right") - 1
        total: Values = self._areas[piece] + self._area(piece, at_s - self._starts_s[piece])
        return total

    def instants(self, operational: Values) -> Values:
        """Return the instants at which Λ reaches each of these."""
        piece = np.searchsorted(self._areas, operational, side="right") - 1
        rest = operational - self._areas[piece]
        since_s = self._waved(piece, rest) if self._depth else self._straight(piece, rest)
        at_s: Values = self._starts_s[piece] + since_s
        return at_s

    def _pieces(self, shape: RateShape) -> tuple[Values, Values]:
        """Return the factor at the start of each piece and its slope there, without the wave."""
        levels, slopes = [], []
        for start_s, length_s in zip(self._starts_s.tolist(), self._lengths_s.tolist(), strict=True):
            middle_s = start_s + (length_s / 2 if length_s < inf else 1.0)
            level, slope = _ramped(shape.ramps, start_s, middle_s)
            factor = 1.0
            for spike in shape.spikes:
                factor *= spike.factor if spike.from_s <= middle_s < spike.to_s else 1.0
            levels.append(level * factor)
            slopes.append(slope * factor)
        return np.array(levels), np.array(slopes)

    def _area(self, piece: Values, since_s: Values) -> Values:
        """Integrate (a + b·s)·(1 + d·cos(θ + ω·s)) over a piece's first seconds."""
        level, slope, omega = self._levels[piece], self._slopes[piece], self._omega
        straight = since_s * (level + slope * since_s / 2)
        if not self._depth:
            return np.asarray(straight)
        start = omega * (self._starts_s[piece] - self._peak_at_s)
        end = start + omega * since_s
        wave = level * (np.sin(end) - np.sin(start)) / omega
        wave += slope * (since_s * np.sin(end) / omega + (np.cos(end) - np.cos(start)) / omega**2)
        return np.asarray(straight + self._depth * wave)

    def _rate(self, piece: Values, since_s: Values) -> Values:
        angle = self._omega * (self._starts_s[piece] + since_s - self._peak_at_s)
        rate: Values = (self._levels[piece] + self._slopes[piece] * since_s) * (1.0 + self._depth * np.cos(angle))
        return rate

    def _straight(self, piece: Values, rest: Values) -> Values:
        """Solve a·h + b·h²/2 = rest, in the form that loses no digits."""
        level, slope = self._levels[piece], self._slopes[piece]
        below = level + np.sqrt(np.maximum(level * level + 2.0 * slope * rest, 0.0))
        since_s = np.divide(2.0 * rest, below, out=np.zeros_like(rest), where=below > 0.0)
        return np.asarray(np.minimum(since_s, self._lengths_s[piece]))

    def _waved(self, piece: Values, rest: Values) -> Values:
        """Solve the same under a wave: Newton's method, held inside a bracket.

        Every value stops by itself, so that it does not depend on the others it is solved with.
        """
        last, reach_s = piece == len(self._areas) - 1, 2.0 * self._depth / self._omega
        about_s = np.divide(rest, self._levels[piece], out=np.zeros_like(rest), where=last)
        low = np.where(last, np.maximum(about_s - reach_s, 0.0), 0.0)
        high = np.where(last, about_s + reach_s, self._lengths_s[piece])
        since_s = np.clip(np.where(last, about_s, (low + high) / 2), low, high)
        open_ones = np.arange(len(rest))
        for _ in range(_MOST_STEPS):
            if not len(open_ones):
                break
            moved = self._step(piece[open_ones], rest[open_ones], since_s, low, high, open_ones)
            open_ones = open_ones[moved]
        return since_s

    def _step(self, piece: Values, rest: Values, since_s: Values, low: Values, high: Values, at: Values) -> Values:
        """Take one step for the values at these places; return which of them moved."""
        now = since_s[at]
        excess = self._area(piece, now) - rest
        high[at] = np.where(excess > 0.0, now, high[at])
        low[at] = np.where(excess <= 0.0, now, low[at])
        rate = self._rate(piece, now)
        newton = now - np.divide(excess, rate, out=np.full_like(now, inf), where=rate > 0.0)
        inside = (newton >= low[at]) & (newton <= high[at])
        following = np.where(inside, newton, (low[at] + high[at]) / 2)
        since_s[at] = following
        moved: Values = np.abs(following - now) > _TOLERANCE * np.maximum(self._starts_s[piece] + now, 1.0)
        return moved


def _ramped(ramps: tuple[Ramp, ...], start_s: float, middle_s: float) -> tuple[float, float]:
    """Return the ramps' factor at the start of the piece around `middle_s`, and its slope."""
    level = 1.0
    for ramp in ramps:
        if middle_s < ramp.from_s:
            break
        if middle_s < ramp.to_s:
            slope = (ramp.factor - level) / (ramp.to_s - ramp.from_s)
            return level + slope * (start_s - ramp.from_s), slope
        level = ramp.factor
    return level, 0.0
