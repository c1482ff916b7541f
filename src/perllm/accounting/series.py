"""A run as a time series: one row for each interval, told as soon as the interval is over."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from perllm.accounting.idle import IdleAccounting, IdleMeter
from perllm.accounting.interval import Interval, IntervalRow, Levels
from perllm.accounting.level import Level
from perllm.accounting.moments import Arrived, Closed, Held, Lives, Moment, Over, Powered, Reconfigured, Released, Sent
from perllm.accounting.tally import ServiceTally
from perllm.accounting.totals import Totals
from perllm.domain.attempt import Ending
from perllm.domain.entry import Entry, Fleet


class Series:
    """Tells `write` what happened in each interval of `every_s`: a sink that remembers one interval.

    Intervals begin with the first entry; those in which nothing happened have rows too. `close` tells the last,
    which ends with the last entry and may be shorter. Idle joules are those of `idle_meter`, where there is one; else
    they follow from the watts in the fleet's entries.
    """

    def __init__(
        self, every_s: float, write: Callable[[IntervalRow], None], idle: IdleAccounting = IdleAccounting.ALL
    ) -> None:
        self._every_s = every_s
        self._write = write
        self._lives = Lives()
        # Of these totals only the idle accounts are used: a ledger's own must not be integrated in other steps.
        self._idle = Totals(idle=idle)
        self.idle_meter: IdleMeter | None = None
        self._idle_told_j = 0.0
        self._intervals = 0
        self._started_at_s = 0.0
        self._ends_at_s = -inf
        self._at_s = -inf
        self._levels = Levels(requests=Level(), held=Level())
        self._interval = Interval(from_s=0.0, services={})

    def __call__(self, entry: Entry) -> None:
        """Take in one entry. Entries come in the order of their instants."""
        self._move(entry.at_s)
        for moment in self._lives.moments(entry):
            self._hear(moment, entry.at_s)

    def close(self) -> None:
        """Tell the interval that is not over. Nothing may follow."""
        if self._at_s > -inf:
            self._tell(self._at_s)

    def _move(self, at_s: float) -> None:
        """Let time pass, and tell of every interval that is over by then."""
        if self._at_s == -inf:
            self._begin(at_s)
        self._at_s = at_s
        while at_s >= self._ends_at_s:
            self._tell(self._ends_at_s)
            self._intervals += 1
            # By multiplication, so that rounding does not add up over many intervals.
            self._ends_at_s = self._started_at_s + (self._intervals + 1) * self._every_s

    def _begin(self, at_s: float) -> None:
        self._started_at_s = at_s
        self._ends_at_s = at_s + self._every_s
        self._levels = Levels(requests=_level(at_s), held=_level(at_s))
        self._interval = Interval(from_s=at_s, services={})

    def _tell(self, to_s: float) -> None:
        self._idle.advance_idle(to_s, None if self.idle_meter is None else self.idle_meter(to_s))
        idle_j = self._idle.idle_j
        self._write(self._interval.row(to_s, idle_j - self._idle_told_j, self._levels))
        self._idle_told_j = idle_j
        self._interval = Interval(from_s=to_s, services={name: ServiceTally() for name in self._interval.services})

    def _hear(self, moment: Moment, at_s: float) -> None:
        match moment:
            case Sent(attempt):
                self._outstanding(attempt.dispatch.server_id, at_s).add(1, at_s)
            case Closed(attempt, ending):
                self._outstanding(attempt.dispatch.server_id, at_s).add(-1, at_s)
                self._close(moment, ending, at_s)
            case Arrived(request):
                self._levels.requests.add(1, at_s)
                self._service(request.request.service).submitted += 1
            case Over(outcome):
                self._levels.requests.add(-1, at_s)
                self._service(outcome.service).finish(outcome)
            case Held():
                self._levels.held.add(1, at_s)
            case Released():
                self._levels.held.add(-1, at_s)
            case Powered(server_id, awake):
                self._idle.power(server_id, awake, at_s)
            case Reconfigured(fleet):
                self._configure(fleet, at_s)

    def _close(self, closed: Closed, ending: Ending, at_s: float) -> None:
        attempt = closed.attempt
        predicted_s, predicted_j = attempt.dispatch.predicted_total_s, attempt.dispatch.predicted_energy_j
        self._interval.close(ending, at_s - attempt.dispatched_at_s, predicted_s, predicted_j)

    def _configure(self, fleet: Fleet, at_s: float) -> None:
        self._idle.configure(fleet, at_s)
        for server in fleet.servers:
            self._outstanding(server.server_id, at_s)
        for service in fleet.services:
            self._service(service.name)

    def _outstanding(self, server_id: str, at_s: float) -> Level:
        level = self._levels.servers.get(server_id)
        if level is None:
            level = self._levels.servers[server_id] = _level(at_s)
        return level

    def _service(self, name: str) -> ServiceTally:
        return self._interval.services.setdefault(name, ServiceTally())


def _level(at_s: float) -> Level:
    return Level(at_s=at_s, since_s=at_s)
