"""Moves a modelled engine by an event loop's clock."""

from __future__ import annotations

import asyncio
from math import inf

from perllm.domain.attempt import Ending, EndingKind, Progress
from perllm.simulation.engine import Engine
from perllm.simulation.job import Job

Events = asyncio.Queue[Progress | Ending]


class Ticker:
    """Hands every report of an engine to the request it concerns, at the report's very instant.

    Only the loop's own clock is read and only its timers are used, so that virtual time works as real time does.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._now_s = self._loop.time()
        self._events: dict[str, Events] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = inf

    @property
    def now_s(self) -> float:
        """The loop's time, which for the engine never goes back."""
        self._now_s = max(self._now_s, self._loop.time())
        return self._now_s

    @property
    def healthy(self) -> bool:
        """Whether the engine would answer at all."""
        return self._engine.healthy(self.now_s)

    def start(self, attempt_id: str, job: Job) -> Events:
        """Send a request to the engine; what it reports will be put into the queue."""
        events = self._events[attempt_id] = Events()
        self._engine.arrive(attempt_id, job, self.now_s)
        self._arm()
        return events

    def stop(self, attempt_id: str) -> None:
        """Abort a request at once; nothing happens if it is over."""
        if self._events.pop(attempt_id, None) is not None:
            self._engine.abort(attempt_id, EndingKind.CANCELLED, self.now_s)
            self._arm()

    def close(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._engine.next_at_s == self._timer_at_s:
            return
        self.close()
        self._timer_at_s = self._engine.next_at_s
        if self._timer_at_s < inf:
            self._timer = self._loop.call_at(self._timer_at_s, self._tick)

    def _tick(self) -> None:
        # Timers may fire a little early: within the clock's resolution, or half a millisecond under uvloop.
        self._now_s = now_s = max(self._timer_at_s, self.now_s)
        self._timer, self._timer_at_s = None, inf
        while self._engine.next_at_s <= now_s:
            report = self._engine.advance(now_s)
            if report is None:
                continue
            if isinstance(report.event, Ending):
                self._events.pop(report.attempt_id).put_nowait(report.event)
            else:
                self._events[report.attempt_id].put_nowait(report.event)
        self._arm()
