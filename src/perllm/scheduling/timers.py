"""The timer the brain asks for: the earliest of many instants, most of which are never reached."""

from __future__ import annotations

import heapq

# An owner has up to three timers: its timeout, its requirement, the end of its patience.
TIMERS_EACH = 3


class Timers:
    """A heap of (instant, number, owner) in which the entries of owners that were cleared are dropped lazily.

    Nearly every timer is cleared before it is due, so dead entries are swept as soon as they outnumber the living. An
    owner that was cleared must not come back.
    """

    __slots__ = ("_heap", "_number", "_owners")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str]] = []
        self._owners: set[str] = set()
        self._number = 0

    def set(self, at_s: float, owner: str) -> None:
        """Ask to be woken for `owner` at `at_s`."""
        self._number += 1
        self._owners.add(owner)
        heapq.heappush(self._heap, (at_s, self._number, owner))

    def clear(self, owner: str) -> None:
        """Forget every timer of `owner`."""
        self._owners.discard(owner)
        if len(self._heap) > 2 * TIMERS_EACH * len(self._owners) + 64:
            self._heap = [entry for entry in self._heap if entry[2] in self._owners]
            heapq.heapify(self._heap)

    def next_at_s(self) -> float | None:
        """Return the earliest instant still asked for."""
        while self._heap and self._heap[0][2] not in self._owners:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now_s: float) -> list[str]:
        """Remove the timers whose instants have come and return their owners, in order."""
        owners: list[str] = []
        while (at_s := self.next_at_s()) is not None and at_s <= now_s:
            owners.append(heapq.heappop(self._heap)[2])
        return owners
