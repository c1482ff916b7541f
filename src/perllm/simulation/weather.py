"""How a rate changes by itself: a factor over time, the same for whoever asks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import pairwise
from math import inf

from numpy.random import Generator

# So many levels are drawn at once.
_DRAWN = 256


class Weather:
    """A factor that keeps one level until the next instant: levels are drawn as far ahead as anybody looks."""

    __slots__ = ("_begins_at_s", "_draw", "_levels")

    def __init__(self, draw: Callable[[], Iterable[tuple[float, float]]]) -> None:
        """`draw` returns the next (duration, level) pairs, and none when the last level stays for ever."""
        self._draw = draw
        self._begins_at_s = [0.0]
        self._levels: list[float] = []

    def at(self, at_s: float) -> tuple[float, float]:
        """Return the level at an instant and when it ends."""
        while at_s >= self._begins_at_s[-1]:
            if not self._lengthen():
                return self._levels[-1] if self._levels else 1.0, inf
        row = bisect_right(self._begins_at_s, at_s) - 1
        return self._levels[row], self._begins_at_s[row + 1]

    def _lengthen(self) -> bool:
        pairs = list(self._draw())
        for duration_s, level in pairs:
            self._levels.append(level)
            self._begins_at_s.append(self._begins_at_s[-1] + duration_s)
        return bool(pairs)


def fluctuating(rng: Generator, spread: float, every_s: float) -> Weather:
    """Return levels that are uniform within ± `spread` around 1, drawn anew every `every_s`."""
    return Weather(lambda: [(every_s, level) for level in rng.uniform(1 - spread, 1 + spread, _DRAWN).tolist()])


def markov(rng: Generator, levels: tuple[float, ...], stays_s: tuple[float, ...]) -> Weather:
    """Return a chain that stays at each level for an exponential time and then goes to any other, all alike."""
    at = 0

    def draw() -> list[tuple[float, float]]:
        nonlocal at
        pairs = []
        for stay, step in zip(rng.exponential(1.0, _DRAWN).tolist(), rng.random(_DRAWN).tolist(), strict=True):
            pairs.append((stay * stays_s[at], levels[at]))
            others = len(levels) - 1
            at = (at + 1 + int(step * others)) % len(levels) if others else at
        return pairs

    return Weather(draw)


def recorded(rows: Iterable[tuple[float, float]]) -> Weather:
    """Return the levels of a record: (instant, level) rows in order; the last level stays."""
    kept = list(rows)
    pairs = [(later[0] - row[0], row[1]) for row, later in pairwise(kept)]
    lead = [(kept[0][0], kept[0][1])] if kept[0][0] > 0.0 else []
    batches = iter([[*lead, *pairs, (inf, kept[-1][1])]])
    return Weather(lambda: next(batches, []))
