"""Lanes of a timeline: what happens at the same time is drawn on different ones."""

from __future__ import annotations

from heapq import heappop, heappush


class Lanes:
    """Hands out the lowest free lane, from 1; there are as many as were ever taken at once."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._made = 0
        self._taken: dict[str, int] = {}

    @property
    def taken(self) -> int:
        """How many are taken now."""
        return len(self._taken)

    def take(self, who: str) -> tuple[int, bool]:
        """Return the lane that is `who`'s until released, and whether it is a new one."""
        new = not self._free
        self._made += new
        lane = self._taken[who] = self._made if new else heappop(self._free)
        return lane, new

    def release(self, who: str) -> int:
        """Take the lane back and return it."""
        lane = self._taken.pop(who)
        heappush(self._free, lane)
        return lane
