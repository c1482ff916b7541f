"""Let every event and its answer be noted on its way between a shell and the brain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from perllm.domain.action import Actions
from perllm.domain.attempt import Ending, Progress
from perllm.domain.counts import Counts
from perllm.domain.entry import Entry, EventKind, Fleet
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.domain.telemetry import Fact
from perllm.scheduling.learned import Learned

Sink = Callable[[Entry], None]

# Looking a member up in its enumeration costs as much as the rest of a call here.
_SUBMIT = EventKind.SUBMIT
_PROGRESS = EventKind.PROGRESS
_CLOSE = EventKind.CLOSE
_CANCEL = EventKind.CANCEL
_OBSERVE = EventKind.OBSERVE
_CONFIGURE = EventKind.CONFIGURE
_WAKE = EventKind.WAKE


class Port(Protocol):
    """What shells ask of the brain, whoever stands between."""

    def submit(self, request: Request, now_s: float) -> Actions: ...
    def progress(self, attempt_id: str, progress: Progress, now_s: float) -> Actions: ...
    def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions: ...
    def cancel(self, request_id: str, now_s: float) -> Actions: ...
    def observe(self, fact: Fact, now_s: float) -> Actions: ...
    def configure(self, servers: Sequence[Server], services: Sequence[Service], now_s: float) -> Actions: ...
    def wake(self, now_s: float) -> Actions: ...
    @property
    def wake_at_s(self) -> float | None: ...
    @property
    def report_every_s(self) -> float: ...
    def counts(self) -> Counts: ...
    def snapshot(self) -> Learned: ...
    def absorb(self, learned: Learned) -> None: ...


class Recording:
    """The same port, with every event and the actions it led to handed to each sink before the shell sees them.

    An event that the brain rejects by an exception is not recorded. `absorb` is no event: what was learned before
    stands in a journal's header, so absorb it before the first event.
    """

    __slots__ = ("_port", "_sinks")

    def __init__(self, port: Port, sinks: Iterable[Sink]) -> None:
        self._port = port
        self._sinks = tuple(sinks)

    def submit(self, request: Request, now_s: float) -> Actions:
        """Pass on and record an arrival."""
        actions = self._port.submit(request, now_s)
        self._record(Entry(now_s, _SUBMIT, request.request_id, request, actions))
        return actions

    def progress(self, attempt_id: str, progress: Progress, now_s: float) -> Actions:
        """Pass on and record that an attempt moved on."""
        actions = self._port.progress(attempt_id, progress, now_s)
        self._record(Entry(now_s, _PROGRESS, attempt_id, progress, actions))
        return actions

    def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions:
        """Pass on and record the end of an attempt."""
        actions = self._port.close(attempt_id, ending, now_s)
        self._record(Entry(now_s, _CLOSE, attempt_id, ending, actions))
        return actions

    def cancel(self, request_id: str, now_s: float) -> Actions:
        """Pass on and record that a client left."""
        actions = self._port.cancel(request_id, now_s)
        self._record(Entry(now_s, _CANCEL, request_id, None, actions))
        return actions

    def observe(self, fact: Fact, now_s: float) -> Actions:
        """Pass on and record a fact."""
        actions = self._port.observe(fact, now_s)
        self._record(Entry(now_s, _OBSERVE, "", fact, actions))
        return actions

    def configure(self, servers: Sequence[Server], services: Sequence[Service], now_s: float) -> Actions:
        """Pass on and record a fleet. A journal can be verified only if this is its first event."""
        fleet = Fleet(servers=tuple(servers), services=tuple(services))
        actions = self._port.configure(fleet.servers, fleet.services, now_s)
        self._record(Entry(now_s, _CONFIGURE, "", fleet, actions))
        return actions

    def wake(self, now_s: float) -> Actions:
        """Pass on and record that a timer fired."""
        actions = self._port.wake(now_s)
        self._record(Entry(now_s, _WAKE, "", None, actions))
        return actions

    @property
    def wake_at_s(self) -> float | None:
        """The instant at which the brain wants to be woken."""
        return self._port.wake_at_s

    @property
    def report_every_s(self) -> float:
        """How often the brain wants to hear how far a stream is."""
        return self._port.report_every_s

    def counts(self) -> Counts:
        """Return where all requests are."""
        return self._port.counts()

    def snapshot(self) -> Learned:
        """Return what has been learned."""
        return self._port.snapshot()

    def absorb(self, learned: Learned) -> None:
        """Take over what was learned before."""
        self._port.absorb(learned)

    def _record(self, entry: Entry) -> None:
        for sink in self._sinks:
            sink(entry)
