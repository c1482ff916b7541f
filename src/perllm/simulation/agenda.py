"""What will happen in a world, in the order of its instants."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Any

from msgspec import Struct

from perllm.domain.attempt import Ending, Progress


class Report(Struct, frozen=True, gc=False):
    """What becomes known of an attempt at the scheduler's side of the link, and when."""

    at_s: float
    attempt_id: str
    event: Progress | Ending


# Called at its instant with what was noted; says what becomes known then, if anything.
Happening = Callable[[float, Any], Report | None]


class Agenda:
    """A heap of happenings. Of equal instants, ends of an engine's work come first, for they make room."""

    __slots__ = ("_early", "_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Happening, Any]] = []
        self._number = 0
        self._early: deque[Report] = deque()

    @property
    def next_at_s(self) -> float:
        """The next instant at which something happens; infinite if nothing ever will."""
        if self._early:
            return self._early[0].at_s
        return self._heap[0][0] if self._heap else inf

    def note(self, at_s: float, happening: Happening, about: Any) -> None:
        """Let something happen at an instant; at infinity, never."""
        if at_s < inf:
            self._number = number = self._number + 1
            heappush(self._heap, (at_s, number, happening, about))

    def note_turn(self, at_s: float, happening: Happening, about: Any) -> None:
        """Let an engine's work end at an instant."""
        if at_s < inf:
            self._number = number = self._number + 1
            # Below every other number of the same instant, and in order among its kind.
            heappush(self._heap, (at_s, number - _TURNS, happening, about))

    def advance(self, until_s: float) -> Report | None:
        """Let happen what happens by `until_s`, up to the first thing that becomes known, and return that."""
        if self._early:
            return self._early.popleft()
        heap = self._heap
        while heap and heap[0][0] <= until_s:
            at_s, _, happening, about = heappop(heap)
            report = happening(at_s, about)
            if report is not None:
                return report
        return None

    def settle(self, now_s: float) -> None:
        """Let happen what happens by now; what becomes known is kept for the next advance."""
        if not self._heap or self._heap[0][0] > now_s:
            return
        known: deque[Report] = deque()
        while (report := self.advance(now_s)) is not None:
            known.append(report)
        self._early = known


# More than ever happens in one world.
_TURNS = 1 << 60
