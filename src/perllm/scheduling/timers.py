"""The timer the brain asks for: the earliest of many instants, most of which are never reached."""

from __future__ import annotations

import heapq

# An owner has up to three timers: its timeout, its requirement, the end of its patience.
TIMERS_EACH = 3


class Timers:
    """A heap of (instant, number, owner) in which the entries of owners that were cleared are dropped lazily.

    Nearly every timer is cleared before it is due, so dead entries are swept as soon as they outnumber the living. An
    owner that was cleared must not come back. `next_at_s` is the earliest instant still asked for: shells read it after
    every event, so it is kept rather than looked for.
    """

    __slots__ = ("_heap", "_number", "_owners", "next_at_s")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str]] = []
        self._owners: set[str] = set()
        self._number = 0
        self.next_at_s: float | None = None

    def set(self, at_s: float, owner: str) -> None:
        """Ask to be woken for `owner` at `at_s`."""
        self._number += 1
        self._owners.add(owner)
        heapq.heappush(self._heap, (at_s, self._number, owner))
        if self.next_at_s is None or at_s < self.next_at_s:
            self.next_at_s = at_s

    def clear(self, owner: str) -> None:
        """Forget every timer of `owner`."""
        self._owners.discard(owner)
        if len(self._heap) > 2 * TIMERS_EACH * len(self._owners) + 64:
            self._heap = [entry for entry in self._heap if entry[2] in self._owners]
            heapq.heapify(self._heap)
        if not self._heap or self._heap[0][2] not in self._owners:
            self._drop_dead()

    def due(self, now_s: float) -> list[str]:
        """Remove the timers whose instants have come and return their owners, in order."""
        owners: list[str] = []
        while self.next_at_s is not None and self.next_at_s <= now_s:
            owners.append(heapq.heappop(self._heap)[2])
            self._drop_dead()
        return owners

    def _drop_dead(self) -> None:
        """Remove entries of those that were cleared from the top."""
        heap, owners = self._heap, self._owners
        while heap and heap[0][2] not in owners:
            heapq.heappop(heap)
        self.next_at_s = heap[0][0] if heap else None
