"""A machine that does nothing: which state it has fallen into, what it has drawn there, and how it wakes."""

from __future__ import annotations

from math import inf

from perllm.accounting import IdleJoules
from perllm.domain.profile import Rest


class Repose:
    """Idle power integrated over time, without an event for falling asleep.

    A machine at work draws its idle power too: what work draws on top is metered elsewhere.
    """

    __slots__ = ("_at_s", "_awake_s", "_idle_since_s", "_idle_w", "_resting_j", "_rests", "_waking_j")

    def __init__(self, idle_w: float, rests: tuple[Rest, ...]) -> None:
        self._idle_w = idle_w
        self._rests = rests
        self._at_s = 0.0
        self._idle_since_s = 0.0
        self._awake_s = 0.0
        self._resting_j = 0.0
        self._waking_j = 0.0

    def wake(self, now_s: float) -> float:
        """Begin to work: return how long waking takes first."""
        if not self._rests:
            return 0.0
        rest = self._resting(now_s)
        self._advance(now_s)
        self._idle_since_s = inf
        if rest is None:
            return 0.0
        self._waking_j += rest.wake_j
        return rest.wake_s

    def begin(self, now_s: float) -> None:
        """Begin to do nothing."""
        if self._rests:
            self._advance(now_s)
            self._idle_since_s = now_s

    def fall(self, now_s: float) -> None:
        """Go to the deepest rest at once, as when told to sleep or after a crash."""
        if self._rests:
            self._advance(now_s)
            self._idle_since_s = -inf

    def wake_in_s(self, now_s: float) -> float:
        """Return how long waking would take now."""
        rest = self._resting(now_s)
        return 0.0 if rest is None else rest.wake_s

    def joules(self, now_s: float) -> IdleJoules:
        """Return what was drawn by now."""
        self._advance(now_s)
        return IdleJoules(powered_j=self._awake_s * self._idle_w, resting_j=self._resting_j, waking_j=self._waking_j)

    def _resting(self, now_s: float) -> Rest | None:
        for rest in reversed(self._rests):
            if now_s - self._idle_since_s >= rest.after_s:
                return rest
        return None

    def _advance(self, now_s: float) -> None:
        """Integrate up to now over every state that was passed through."""
        ends_at_s = now_s
        for rest in reversed(self._rests):
            begins_at_s = max(self._idle_since_s + rest.after_s, self._at_s)
            if begins_at_s < ends_at_s:
                self._resting_j += rest.watts * (ends_at_s - begins_at_s)
                ends_at_s = begins_at_s
        self._awake_s += max(ends_at_s - self._at_s, 0.0)
        self._at_s = max(self._at_s, now_s)
