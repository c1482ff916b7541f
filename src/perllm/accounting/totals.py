"""All running totals of a run, and whether its joules add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isclose

from perllm.accounting.idle import IdleAccount, IdleAccounting, IdleJoules
from perllm.accounting.tally import PredictionTally, ServerTally, ServiceTally
from perllm.domain.action import Dispatch, Fate, Outcome
from perllm.domain.attempt import Ending
from perllm.domain.entry import Fleet
from perllm.domain.server import Server
from perllm.domain.service import Service

# Sums of the same joules in another order differ by rounding: by far less than this.
ROUNDING_FRACTION = 1e-9
ROUNDING_J = 1e-9


@dataclass(slots=True, kw_only=True)
class Totals:
    """What a ledger has added up.

    `stray_…` count events that cannot be; `attributed_j` is what finished requests were told they cost.
    """

    idle: IdleAccounting
    servers: dict[str, ServerTally] = field(default_factory=dict)
    services: dict[str, ServiceTally] = field(default_factory=dict)
    terms: dict[str, Service] = field(default_factory=dict)
    total_s: PredictionTally = field(default_factory=PredictionTally)
    energy_j: PredictionTally = field(default_factory=PredictionTally)
    first_arrival_at_s: float = inf
    last_finish_at_s: float = -inf
    attributed_j: float = 0.0
    stray_requests: int = 0
    stray_attempts: int = 0

    @property
    def submitted(self) -> int:
        return sum(service.submitted for service in self.services.values())

    @property
    def transmit_j(self) -> float:
        return sum(server.transmit_j for server in self.servers.values())

    @property
    def infer_j(self) -> float:
        return sum(server.infer_j for server in self.servers.values())

    @property
    def idle_j(self) -> float:
        return sum(server.idle.joules for server in self.servers.values())

    @property
    def makespan_s(self) -> float | None:
        span_s = self.last_finish_at_s - self.first_arrival_at_s
        return float(span_s) if span_s >= 0.0 else None

    def of_fate(self, fate: Fate) -> int:
        """Return how many requests ended so."""
        return sum(service.fates[fate] for service in self.services.values())

    def configure(self, fleet: Fleet, at_s: float) -> None:
        """Take the fleet as it is from now on: who left draws no idle power, but what was done stays."""
        for service in fleet.services:
            self.terms[service.name] = service
            self.services.setdefault(service.name, ServiceTally())
        present = {server.server_id: server for server in fleet.servers}
        for server_id in dict.fromkeys((*self.servers, *present)):
            self._place(server_id, present.get(server_id), at_s)

    def _place(self, server_id: str, server: Server | None, at_s: float) -> None:
        """Note that a server is in the fleet, as described, or (None) no longer."""
        if server is not None and server_id not in self.servers:
            self.servers[server_id] = ServerTally(server, IdleAccount(self.idle))
        tally = self.servers[server_id]
        tally.idle.advance(at_s)
        tally.idle.present = server is not None
        if server is not None:
            tally.server = server
            tally.idle.idle_w = server.power.idle_w

    def power(self, server_id: str, awake: bool, at_s: float) -> None:
        """Note that a server was woken or sent to sleep."""
        idle = self.servers[server_id].idle
        idle.advance(at_s)
        idle.awake = awake

    def advance_idle(self, now_s: float, metered: Mapping[str, IdleJoules] | None = None) -> None:
        """Integrate every server's idle power up to `now_s`, except where a meter has done it."""
        for server_id, server in self.servers.items():
            server.idle.advance(now_s)
            if metered is not None and server_id in metered:
                server.idle.joules = metered[server_id].counted_j(self.idle)

    def submit(self, service: str, at_s: float) -> None:
        """Count an arrival."""
        (self.services.get(service) or self._tally(service)).submitted += 1
        if at_s < self.first_arrival_at_s:
            self.first_arrival_at_s = at_s

    def finish(self, outcome: Outcome) -> None:
        """Count the end of a request."""
        (self.services.get(outcome.service) or self._tally(outcome.service)).finish(outcome)
        energy = outcome.energy
        self.attributed_j += energy.transmit_j + energy.infer_j
        if outcome.finished_at_s > self.last_finish_at_s:
            self.last_finish_at_s = outcome.finished_at_s

    def _tally(self, service: str) -> ServiceTally:
        tally = self.services.get(service)
        if tally is None:
            tally = self.services[service] = ServiceTally()
        return tally

    def learn(self, dispatch: Dispatch, took_s: float, ending: Ending) -> None:
        """Compare a completed attempt with what was predicted at its dispatch, if anything was."""
        self.total_s.learn(dispatch.predicted_total_s, took_s)
        if ending.infer_j is not None:
            self.energy_j.learn(dispatch.predicted_energy_j, ending.transmit_j + ending.infer_j)

    def energy_conserved(
        self,
        owed_j: float,
        server_joules: Mapping[str, float] | None,
        foreign_joules: Mapping[str, float] | None = None,
    ) -> bool:
        """Say whether attempts' joules are those told to requests, and those of servers' meters.

        `owed_j`: spent by closed attempts of requests that have not finished. `foreign_joules`: what was taken off the
        meters because it was spent for others.
        """
        foreign, spent_j = foreign_joules or {}, self.transmit_j + self.infer_j
        return _same(spent_j, self.attributed_j + owed_j) and all(
            _agrees(self.servers[server_id], metered_j, foreign.get(server_id, 0.0))
            for server_id, metered_j in (server_joules or {}).items()
        )


def _agrees(server: ServerTally, metered_j: float, foreign_j: float) -> bool:
    """Whether a meter shows its attempts' joules, and more only for attempts not told of (yet)."""
    untold = server.open_attempts or server.unmetered_attempts
    # What is left of a large sum after another was taken off it is as uncertain as the large one.
    same = _same(server.infer_j + foreign_j, metered_j + foreign_j)
    return same or (untold > 0 and server.infer_j < metered_j)


def _same(one_j: float, other_j: float) -> bool:
    return isclose(one_j, other_j, rel_tol=ROUNDING_FRACTION, abs_tol=ROUNDING_J)
