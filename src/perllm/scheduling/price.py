"""What a service pays, in joules, for a request in time: as much as it takes to reach the share it asks for."""

from __future__ import annotations

from perllm.scheduling.learned import Evidence

# The share aimed at lies so much above the one asked for, at most half-way to all: who aims at 97 % and hits it on
# average misses it every other time.
MARGIN = 0.01
FIRST = 20.0
LEAST, MOST = 0.5, 50.0


class Price:
    """A virtual queue of misses (Neely 2010, ch. 4): each miss beyond the share that may be missed raises the price.

    In units of a request's usual joules. Where every request is in time it falls, so that cheaper servers are tried
    which are not so sure; it stays where exactly the share aimed at is in time. It is bounded: where the share is out
    of reach, no price brings it, and joules spent on it are spent in vain.
    """

    __slots__ = ("_aim", "value")

    def __init__(self, attainment: float) -> None:
        self._aim = min(attainment + MARGIN, (1.0 + attainment) / 2)
        self.value = FIRST

    def ended(self, *, in_time: bool) -> None:
        """Take in the end of a request."""
        value = self.value + self._aim - in_time
        self.value = LEAST if value < LEAST else MOST if value > MOST else value

    def snapshot(self) -> Evidence:
        """Return the price, to be kept over a restart."""
        return Evidence(weight=1.0, total=self.value, square=self.value**2, updated_at_s=0.0)

    def absorb(self, evidence: Evidence) -> None:
        """Take over a price."""
        self.value = min(max(evidence.total, LEAST), MOST)
