"""The timer the brain asks for: the earliest of many instants, most of which are never reached."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field


@dataclass(slots=True)
class Timers:
    """A heap of (instant, owner) in which a cancelled owner's entries are dropped lazily.

    Nearly every timer is cancelled before it is due, so dead entries are swept as soon as they outnumber the living.
    """

    _heap: list[tuple[float, int, str]] = field(default_factory=list)
    _alive: dict[int, str] = field(default_factory=dict)
    _by_owner: dict[str, list[int]] = field(default_factory=dict)
    _number: int = 0

    def set(self, at_s: float, owner: str) -> None:
        """Ask to be woken for `owner` at `at_s`."""
        self._number += 1
        self._alive[self._number] = owner
        self._by_owner.setdefault(owner, []).append(self._number)
        heapq.heappush(self._heap, (at_s, self._number, owner))

    def clear(self, owner: str) -> None:
        """Forget every timer of `owner`."""
        for number in self._by_owner.pop(owner, ()):
            self._alive.pop(number, None)
        if len(self._heap) > 2 * len(self._alive) + 64:
            self._heap = [entry for entry in self._heap if entry[1] in self._alive]
            heapq.heapify(self._heap)

    def next_at_s(self) -> float | None:
        """Return the earliest instant still asked for."""
        while self._heap and self._heap[0][1] not in self._alive:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now_s: float) -> list[str]:
        """Remove and return the owners whose instants have come, in order."""
        owners: list[str] = []
        while (at_s := self.next_at_s()) is not None and at_s <= now_s:
            _, number, owner = heapq.heappop(self._heap)
            del self._alive[number]
            self._by_owner[owner].remove(number)
            owners.append(owner)
        return owners
