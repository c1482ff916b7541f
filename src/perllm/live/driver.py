"""The only one who talks to the brain in real time: tells it events, hands its answers out, keeps its timer.

One rule: whatever happens to a request is told here at once, in the order in which it happens, and never out of two
places. The clock is the event loop's, and for the brain it never goes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf

from perllm.domain.action import Actions, Cancel, Dispatch, Finish, Refuse
from perllm.domain.attempt import Ending, EndingKind, Progress
from perllm.domain.counts import Counts
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.domain.telemetry import Fact
from perllm.errors import InvariantError
from perllm.journal.recording import Port
from perllm.live.ticket import Ticket


class Driver:
    """Drives one brain by the clock of one event loop."""

    def __init__(self, port: Port, loop: asyncio.AbstractEventLoop) -> None:
        self._port = port
        self._loop = loop
        self._now_s = loop.time()
        self._tickets: dict[str, Ticket] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = inf

    @property
    def now_s(self) -> float:
        """The loop's time, which under uvloop counts whole milliseconds."""
        now_s = self._loop.time()
        if now_s > self._now_s:
            self._now_s = now_s
        return self._now_s

    def submit(self, request: Request) -> Ticket:
        """A request was read: its decision may be there at once."""
        ticket = self._tickets[request.request_id] = Ticket(request.request_id)
        self._deliver(self._port.submit(request, self.now_s))
        return ticket

    def progress(self, ticket: Ticket, progress: Progress) -> None:
        """The open attempt moved on."""
        self._deliver(self._port.progress(ticket.open_attempt(), progress, self.now_s))

    def close(self, ticket: Ticket, ending: Ending) -> None:
        """The open attempt ended."""
        attempt_id = ticket.open_attempt()
        ticket.closed()
        self._deliver(self._port.close(attempt_id, ending, self.now_s))

    def leave(self, ticket: Ticket) -> None:
        """The client left; nothing happens where the request's life is already over.

        An attempt that is running is closed by whoever runs it.
        """
        if ticket.outcome is None:
            self._deliver(self._port.cancel(ticket.request_id, self.now_s))

    def abandon(self, ticket: Ticket) -> None:
        """Make sure that nothing of a request stays behind; the last thing its owner does."""
        if ticket.outcome is not None:
            return
        self.leave(ticket)
        if ticket.attempt_id is not None:
            self.close(ticket, Ending(kind=EndingKind.CANCELLED))

    def observe(self, fact: Fact) -> None:
        """Something was learned of a server beside the requests sent there."""
        self._deliver(self._port.observe(fact, self.now_s))

    def configure(self, servers: Sequence[Server], services: Sequence[Service]) -> None:
        """The fleet or the services changed."""
        self._deliver(self._port.configure(servers, services, self.now_s))

    @property
    def report_every_s(self) -> float:
        """How often the brain wants to hear how far a stream is."""
        return self._port.report_every_s

    def counts(self) -> Counts:
        """Say where all requests are."""
        return self._port.counts()

    def stop(self) -> None:
        """Drop the timer. Raises InvariantError where a request is still held or in flight."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        counts = self.counts()
        if counts.held or counts.in_flight or self._tickets:
            raise InvariantError(f"left behind: {counts}, {sorted(self._tickets)}")

    def _deliver(self, actions: Actions) -> None:
        """Hand every action to the request it concerns, which need not be the one the event was about."""
        for action in actions:
            match action:
                case Dispatch() | Refuse():
                    self._tickets[action.request_id].decided(action)
                case Cancel():
                    self._tickets[action.request_id].stop(action.cause, self._now_s)
                case Finish():
                    self._tickets.pop(action.outcome.request_id).outcome = action.outcome
                case _:
                    raise InvariantError(f"no machine here can do {action}")
        self._arm()

    def _arm(self) -> None:
        """Have a timer at or before the instant the brain asks for: one that is early arms itself again."""
        wake_at_s = self._port.wake_at_s
        if wake_at_s is None or wake_at_s >= self._timer_at_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s = wake_at_s
        self._timer = self._loop.call_at(wake_at_s, self._wake)

    def _wake(self) -> None:
        # Timers may fire a little early: within the clock's resolution, or half a millisecond under uvloop.
        self._now_s = now_s = max(self.now_s, self._timer_at_s)
        self._timer, self._timer_at_s = None, inf
        wake_at_s = self._port.wake_at_s
        if wake_at_s is not None and wake_at_s <= now_s:
            self._deliver(self._port.wake(now_s))
        else:
            self._arm()
