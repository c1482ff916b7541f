"""The hidden truth: every server as it really is, and the meter of every joule that is published."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from numpy.random import Generator

from perllm.accounting import IdleJoules
from perllm.domain.action import PowerState
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Server
from perllm.errors import InvariantError
from perllm.simulation.agenda import Agenda
from perllm.simulation.bandwidth import ways_of
from perllm.simulation.engine import Engine
from perllm.simulation.foreseen import Foreseen
from perllm.simulation.job import Job, Truth
from perllm.simulation.pace import Pace
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.streams import stream
from perllm.simulation.trouble import Tenant, Trouble
from perllm.simulation.truth import true_server


class World:
    """All engines on one clock, moved by whoever holds it when `next_at_s` has come.

    `servers` are what they really are. `next_at_s` is infinite while nothing will happen by itself. `advance` moves on
    to what becomes known next and returns it, or to an instant if nothing becomes known by then.
    """

    def __init__(
        self, servers: Iterable[Server], settings: WorldSettings, seed: int, *, report_every_s: float = 1.0
    ) -> None:
        self.servers = tuple(
            true_server(server, settings.prior_error, stream(seed, f"world/{server.server_id}")) for server in servers
        )
        self._agenda = Agenda()
        ways = ways_of(self.servers, settings.network, seed)
        self._engines = {
            server.server_id: Engine(
                server,
                report_every_s=report_every_s,
                agenda=self._agenda,
                way=ways[server.server_id],
                outages=(each for each in settings.trouble.outages if each.server_id == server.server_id),
                pace=_pace_of(server.server_id, settings.trouble),
            )
            for server in self.servers
        }
        self.advance = self._agenda.advance
        for number, tenant in enumerate(settings.trouble.tenants):
            self._expect(_Tenancy(tenant, self._engines[tenant.server_id], stream(seed, f"world/tenants/{number}")))

    @property
    def next_at_s(self) -> float:
        """The next instant at which something happens by itself."""
        return self._agenda.next_at_s

    @property
    def open_attempts(self) -> int:
        """Attempts that were sent and are not over."""
        return sum(engine.open_attempts for engine in self._engines.values())

    def healthy(self, server_id: str, now_s: float) -> bool:
        """Say whether the server answers a probe."""
        return self._engines[server_id].healthy(now_s)

    def ready_in_s(self, server_id: str, now_s: float) -> float:
        """Say how long the server would take to begin with something that arrives now."""
        return self._engines[server_id].ready_in_s(now_s)

    def foresee(self, server_id: str, job: Job, now_s: float) -> Foreseen:
        """Return what a request would take on a server if nothing else came."""
        return self._engines[server_id].foresee(job, now_s)

    def send(self, server_id: str, attempt_id: str, job: Job, now_s: float) -> None:
        """Begin to send a request to a server."""
        self._engines[server_id].arrive(attempt_id, job, now_s)

    def abort(self, attempt_id: str, kind: EndingKind, now_s: float) -> Ending:
        """Stop an attempt at once and return its ending. Raises InvariantError where it is not open anywhere."""
        for engine in self._engines.values():
            if attempt_id in engine.attempts:
                return engine.abort(attempt_id, kind, now_s)
        raise InvariantError(f"attempt {attempt_id} is not open")

    def set_power(self, server_id: str, state: PowerState, now_s: float) -> None:
        """Send a server to sleep, if it has nothing to do and obeys such commands, or wake it."""
        engine = self._engines[server_id]
        if state is PowerState.ASLEEP:
            engine.sleep(now_s)
        else:
            engine.wake(now_s)

    def finish(self, now_s: float) -> None:
        """End what is not ours, so that the meters hold nothing else."""
        for engine in self._engines.values():
            engine.evict_tenants(now_s)

    def joules(self) -> dict[str, float]:
        """Return what each server's own meter has counted above idle for our requests."""
        return {server_id: engine.infer_j for server_id, engine in self._engines.items()}

    def foreign_joules(self) -> dict[str, float]:
        """Return what each server's meter has counted above idle for tenants that are gone."""
        return {server_id: engine.foreign_j for server_id, engine in self._engines.items()}

    def idle_joules(self, now_s: float) -> dict[str, IdleJoules]:
        """Return what idling has cost on each server by now."""
        return {server_id: engine.idle_joules(now_s) for server_id, engine in self._engines.items()}

    def _expect(self, tenancy: _Tenancy) -> None:
        self._agenda.note(tenancy.next_at_s(), self._tenant_arrives, tenancy)

    def _tenant_arrives(self, at_s: float, tenancy: _Tenancy) -> None:
        tenancy.arrive(at_s)
        self._expect(tenancy)


class _Tenancy:
    """The arrivals of one tenant."""

    def __init__(self, tenant: Tenant, engine: Engine, rng: Generator) -> None:
        self._tenant = tenant
        self._engine = engine
        self._rng = rng
        self._at_s = tenant.from_s
        self._number = 0

    def next_at_s(self) -> float:
        self._at_s += self._rng.exponential(1.0 / self._tenant.rate_per_s)
        ends_at_s = self._tenant.to_s
        return inf if ends_at_s is not None and self._at_s >= ends_at_s else self._at_s

    def arrive(self, at_s: float) -> None:
        self._number += 1
        attempt_id = f"tenant {self._tenant.server_id} {self._number}"
        prompt = self._tokens(self._tenant.prompt_tokens)
        truth = Truth(prompt_tokens=prompt, output_tokens=self._tokens(self._tenant.output_tokens), upload_bytes=0)
        request = Request(
            request_id=attempt_id, service="", model="", requirement=Requirement(), payload_bytes=0, prompt_bytes=0
        )
        self._engine.occupy(attempt_id, Job(request=request, truth=truth), at_s)

    def _tokens(self, mean: float) -> int:
        return max(round(self._rng.exponential(mean)), 1)


def _pace_of(server_id: str, trouble: Trouble) -> Pace | None:
    slowdowns = [each for each in trouble.slowdowns if each.server_id == server_id]
    drifts = [each for each in trouble.drifts if each.server_id == server_id]
    return Pace(slowdowns, drifts) if slowdowns or drifts else None
