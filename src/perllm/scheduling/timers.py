"""The timer the brain asks for: the earliest of many instants, most of which are never reached."""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush

# An owner has up to three timers: its timeout, its requirement, the end of its patience.
TIMERS_EACH = 3

# Instant, number, owner.
_Timer = tuple[float, int, str]


class Timers:
    """Instants and who asked for them. An owner that was cleared must not come back.

    Nearly every request asks for its timeout, and they come in order: those stand in a row, all others in a heap.
    Nearly every timer is cleared before it is due, so those of owners that were cleared are dropped when they come up,
    and swept as soon as they outnumber the living. `next_at_s` is the earliest instant still asked for: shells read it
    after every event, so it is kept rather than looked for.
    """

    __slots__ = ("_heap", "_number", "_owners", "_row", "next_at_s")

    def __init__(self) -> None:
        self._row: deque[_Timer] = deque()
        self._heap: list[_Timer] = []
        self._owners: set[str] = set()
        self._number = 0
        self.next_at_s: float | None = None

    def __len__(self) -> int:
        """Count the timers that are remembered, dead ones included."""
        return len(self._row) + len(self._heap)

    def set(self, at_s: float, owner: str) -> None:
        """Ask to be woken for `owner` at `at_s`."""
        self._number = number = self._number + 1
        self._owners.add(owner)
        row = self._row
        if not row or at_s >= row[-1][0]:
            row.append((at_s, number, owner))
        else:
            heappush(self._heap, (at_s, number, owner))
        if self.next_at_s is None or at_s < self.next_at_s:
            self.next_at_s = at_s

    def clear(self, owner: str) -> None:
        """Forget every timer of `owner`."""
        owners, row, heap = self._owners, self._row, self._heap
        owners.discard(owner)
        if len(row) + len(heap) > 2 * TIMERS_EACH * len(owners) + 64:
            self._row = deque(timer for timer in row if timer[2] in owners)
            self._heap = [timer for timer in heap if timer[2] in owners]
            heapify(self._heap)
            self._look()
        elif (row and row[0][2] == owner) or (heap and heap[0][2] == owner):
            self._look()

    def due(self, now_s: float) -> list[str]:
        """Remove the timers whose instants have come and return their owners, in order."""
        owners: list[str] = []
        while self.next_at_s is not None and self.next_at_s <= now_s:
            row, heap = self._row, self._heap
            from_row = row and (not heap or row[0] < heap[0])
            owners.append((row.popleft() if from_row else heappop(heap))[2])
            self._look()
        return owners

    def _look(self) -> None:
        """Drop the dead from the front and note the next instant."""
        row, heap, owners = self._row, self._heap, self._owners
        while row and row[0][2] not in owners:
            row.popleft()
        while heap and heap[0][2] not in owners:
            heappop(heap)
        at_s = row[0][0] if row else None
        self.next_at_s = heap[0][0] if heap and (at_s is None or heap[0][0] < at_s) else at_s
