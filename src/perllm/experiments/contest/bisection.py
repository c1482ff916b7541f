"""The highest step of a ladder at which something holds: outwards in growing strides, then halving."""

from __future__ import annotations

from math import log
from typing import Final

# Neighbouring rates lie so far apart: the resolution of every capacity.
RUNG: Final = 1.02
_FIRST_STRIDE: Final = 12
# From where others of its kind ended, a search need not look far.
NEAR: Final = 3
# Beyond these multiples of where it began a search gives up: there nothing holds, or everything does.
_LOWEST: Final = 1.0 / 64.0
_HIGHEST: Final = 256.0


def rate_at(step: int) -> float:
    """Return the rate of a step, the same for all searches, so that they share runs."""
    return float(f"{RUNG**step:.6g}")


def step_near(rate: float) -> int:
    """Return the step whose rate is nearest."""
    return round(log(rate) / log(RUNG))


class Search:
    """Asks at `step` and is told, until `step` is None; then `holds_at` and `fails_at` are neighbours.

    Either is None where no end was found: nothing held, or everything did, as far as it looks from its `centre`, which
    is where it starts unless something else is said.
    """

    def __init__(self, start: int, stride: int = _FIRST_STRIDE, centre: int | None = None) -> None:
        self.step: int | None = start
        self.holds_at: int | None = None
        self.fails_at: int | None = None
        self._stride = stride
        around = start if centre is None else centre
        self._bounds = (around + step_near(_LOWEST), around + step_near(_HIGHEST))

    def tell(self, holds: bool) -> None:
        """Take in the answer at `step`, and choose where to ask next."""
        if holds:
            self.holds_at = self.step
        else:
            self.fails_at = self.step
        self.step = self._next()

    def _next(self) -> int | None:
        if self.holds_at is not None and self.fails_at is not None:
            middle = (self.holds_at + self.fails_at) // 2
            return None if middle == self.holds_at else middle
        lowest, highest = self._bounds
        last = self.holds_at if self.fails_at is None else self.fails_at
        assert last is not None
        stride, self._stride = self._stride, 2 * self._stride
        found = min(last + stride, highest) if self.fails_at is None else max(last - stride, lowest)
        return None if found == last else found
