"""A machine that does nothing: which state it has fallen into, what it has drawn there, and how it wakes."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from perllm.accounting import IdleJoules
from perllm.domain.profile import Rest


class Repose:
    """Idle power integrated over time, without an event for falling asleep.

    A machine at work draws its idle power too: what work draws on top is metered elsewhere.
    """

    __slots__ = ("_at_s", "_awake_s", "_fallen", "_idle_since_s", "_idle_w", "_resting_j", "_rests", "_waking_j")

    def __init__(self, idle_w: float, rests: tuple[Rest, ...]) -> None:
        self._idle_w = idle_w
        self._rests = rests
        self._at_s = 0.0
        self._idle_since_s = 0.0
        self._fallen: Rest | None = None
        self._awake_s = 0.0
        self._resting_j = 0.0
        self._waking_j = 0.0

    def wake(self, now_s: float) -> float:
        """Begin to work: return how long waking takes first."""
        if not self._rests:
            return 0.0
        rest = self._resting(now_s)
        self._advance(now_s)
        self._idle_since_s, self._fallen = inf, None
        if rest is None:
            return 0.0
        self._waking_j += rest.wake_j
        return rest.wake_s

    def begin(self, now_s: float) -> None:
        """Begin to do nothing."""
        if self._rests:
            self._advance(now_s)
            self._idle_since_s = now_s

    def fall(self, now_s: float, rest: Rest | None = None) -> None:
        """Go to a rest at once, as when told to sleep; to the deepest one, as after a crash, where none is named."""
        if self._rests:
            self._advance(now_s)
            if rest is None or self._fallen is None:
                self._fallen = rest or self._rests[-1]

    def rests(self, now_s: float) -> bool:
        """Say whether it is at rest."""
        return self._resting(now_s) is not None

    def wake_in_s(self, now_s: float) -> float:
        """Return how long waking would take now."""
        rest = self._resting(now_s)
        return 0.0 if rest is None else rest.wake_s

    def joules(self, now_s: float) -> IdleJoules:
        """Return what was drawn by now."""
        self._advance(now_s)
        return IdleJoules(powered_j=self._awake_s * self._idle_w, resting_j=self._resting_j, waking_j=self._waking_j)

    def _resting(self, now_s: float) -> Rest | None:
        for rest, begins_at_s in self._falls():
            if now_s >= begins_at_s:
                return rest
        return None

    def _falls(self) -> Iterator[tuple[Rest, float]]:
        """Yield the rests, the deepest first, and when each of them begins; one it was sent into began long ago."""
        for rest in reversed(self._rests):
            if rest is self._fallen:
                yield rest, -inf
                return
            if rest.after_s is not None:
                yield rest, self._idle_since_s + rest.after_s

    def _advance(self, now_s: float) -> None:
        """Integrate up to now over every state that was passed through."""
        ends_at_s = now_s
        for rest, falls_at_s in self._falls():
            begins_at_s = max(falls_at_s, self._at_s)
            if begins_at_s < ends_at_s:
                self._resting_j += rest.watts * (ends_at_s - begins_at_s)
                ends_at_s = begins_at_s
        self._awake_s += max(ends_at_s - self._at_s, 0.0)
        self._at_s = max(self._at_s, now_s)
