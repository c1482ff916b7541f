"""How long the brain took: wall-clock figures, kept apart from everything a seed determines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from perllm.domain.action import Actions
from perllm.domain.attempt import Ending
from perllm.domain.request import Request
from perllm.scheduling.scheduler import Scheduler

Clock = Callable[[], float]


class TimedScheduler(Scheduler):
    """A scheduler whose `submit` and `close`, the two calls that decide, are timed with a clock in seconds."""

    def __init__(self, *, clock: Clock, **parts: Any) -> None:
        super().__init__(**parts)
        self._clock = clock
        self._spans_s: list[float] = []
        self._made_at_s = clock()

    def submit(self, request: Request, now_s: float) -> Actions:
        began_at_s = self._clock()
        actions = super().submit(request, now_s)
        self._spans_s.append(self._clock() - began_at_s)
        return actions

    def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions:
        began_at_s = self._clock()
        actions = super().close(attempt_id, ending, now_s)
        self._spans_s.append(self._clock() - began_at_s)
        return actions

    def timing(self) -> dict[str, Any]:
        """Return the time of these calls in microseconds, and the seconds since this scheduler was made."""
        p50, p99 = np.percentile(self._spans_s or [0.0], (50, 99)) * 1e6
        return {"decision_us": {"p50": float(p50), "p99": float(p99)}, "wall_s": self._clock() - self._made_at_s}
