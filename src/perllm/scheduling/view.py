"""What the scheduler believes of its servers and services, and the decisions drawn from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from perllm.domain.action import Reservation
from perllm.domain.attempt import Ending
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.errors import InvariantError
from perllm.scheduling.choosing import Chooser, No, Verdict
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.learned import Learned
from perllm.scheduling.lengths import Lengths
from perllm.scheduling.need import Need, need_of
from perllm.scheduling.policy import Policy
from perllm.scheduling.reach import Reach, explain_reach, reach_of
from perllm.scheduling.records import AttemptRecord, Group, RequestRecord
from perllm.scheduling.sessions import Sessions
from perllm.scheduling.settings import SchedulerSettings

# Groups whose reach is remembered: requests that each name their own servers must not fill the memory.
MOST_GROUPS = 4096


class View:
    """Servers, services and what was learned of them."""

    __slots__ = (
        "_chooser", "_departed", "_lengths", "_reach", "_rng", "_services", "_settings", "_states_by_id", "policy",
        "sessions", "states",
    )  # fmt: skip

    def __init__(
        self,
        *,
        servers: Sequence[Server],
        services: Sequence[Service],
        policy: Policy,
        settings: SchedulerSettings,
        rng: np.random.Generator,
    ) -> None:
        self.policy = policy
        self.states: list[ServerState] = []
        self._departed: list[ServerState] = []
        self._settings = settings
        self._rng = rng
        policy.draw_from(rng.spawn(1)[0])
        recalls = policy.recalls if settings.sessions is None else settings.sessions
        self.sessions = Sessions() if recalls else None
        self._lengths: dict[str, Lengths] = {}
        self.configure(servers, services)

    def configure(self, servers: Sequence[Server], services: Sequence[Service]) -> None:
        """Take a new fleet. Servers and services that stay keep what was learned and what is reserved."""
        known = {state.server_id: state for state in (*self._departed, *self.states)}
        self.states = [self._state(server, known.pop(server.server_id, None)) for server in servers]
        # Who left with attempts open may come back before they are closed.
        self._departed = [state for state in known.values() if state.batch]
        self._states_by_id = {state.server_id: state for state in self.states}
        self._services = {service.name: service for service in services}
        self.policy.meet(services)
        if self.sessions is not None:
            self.sessions.meet(servers)
        for service in services:
            self._lengths.setdefault(service.name, Lengths(service, self._settings))
        self._chooser = Chooser(self.states, self.policy, self._settings, self._rng, self.sessions)
        self._reach: dict[Group, Reach] = {}

    def _state(self, server: Server, known: ServerState | None) -> ServerState:
        if known is None:
            return ServerState(server, self._settings)
        known.reconfigure(server)
        return known

    @property
    def services(self) -> Sequence[Service]:
        """The services as they are described now."""
        return tuple(self._services.values())

    def service(self, name: str) -> Service:
        """Return a service by name; InvariantError where a shell invents one."""
        service = self._services.get(name)
        if service is None:
            raise InvariantError(f"no service is called {name!r}")
        return service

    def renewed(self, service: Service) -> Service:
        """Return a service as it is described now, or as it was where it is gone."""
        return self._services.get(service.name, service)

    def server(self, server_id: str) -> ServerState | None:
        """Return a server's state, None once it has left the fleet."""
        return self._states_by_id.get(server_id)

    def lengths(self, service: str) -> Lengths:
        """Return what is known of a service's prompts and answers."""
        return self._lengths[service]

    def need(self, record: RequestRecord, now_s: float) -> Need:
        """Return what a request needs from now on."""
        need, foresight = need_of(record, self._lengths[record.service.name], now_s), self.policy.foresight
        return need if foresight is None else foresight.need(record.request, need, now_s)

    def glance(self, record: RequestRecord, now_s: float) -> int | None:
        """Decide for one request without predicting anything, where that is enough: return the server's row."""
        if not self._chooser.glances:
            return None
        reach = self.reach(record)
        prompt_tokens = self._lengths[record.service.name].prompt_tokens(record.request.prompt_bytes)
        return self._chooser.glance(record, prompt_tokens, reach, now_s)

    def reach(self, record: RequestRecord) -> Reach:
        """Return the servers that requests of this one's group could ever go to."""
        reach = self._reach.get(record.group)
        if reach is None:
            if len(self._reach) >= MOST_GROUPS:
                self._reach.clear()
            reach = reach_of(record.request, record.service, self.states, self.policy)
            self._reach[record.group] = reach
        return reach

    def decide(self, record: RequestRecord, need: Need, now_s: float) -> Verdict:
        """Decide for one request at one instant."""
        reach = self.reach(record)
        if reach.refusal is not None:
            server_ids = [state.server_id for state in self.states]
            return No(reach.refusal, None, explain_reach(reach, self.policy.name, server_ids))
        return self._chooser.decide(record, need, reach, now_s)

    def closed(self, attempt: AttemptRecord, ending: Ending, now_s: float) -> float:
        """Note what an attempt has left in its server's cache; return the tokens that it found there."""
        if self.sessions is not None:
            return self.sessions.closed(attempt, ending, now_s)
        return 0.0 if ending.usage is None else float(ending.usage.cached_tokens)

    def reservations(self) -> Mapping[str, Reservation]:
        """Return what is held on each server."""
        return {
            state.server_id: Reservation(kv_tokens=state.kv_tokens, bytes_per_s=state.bytes_per_s)
            for state in self.states
        }

    def outstanding(self) -> Mapping[str, int]:
        """Return the attempts not yet closed on each server."""
        return {state.server_id: state.batch for state in self.states}

    def snapshot(self) -> Learned:
        """Return everything learned, as values."""
        return Learned(
            servers={state.server_id: state.snapshot() for state in self.states},
            services={name: lengths.snapshot() for name, lengths in self._lengths.items()},
            arms=self.policy.snapshot(),
        )

    def absorb(self, learned: Learned) -> None:
        """Take over what a snapshot holds of the servers and services that exist here."""
        for state in self.states:
            state.absorb(learned.servers.get(state.server_id, {}))
        for name, lengths in self._lengths.items():
            lengths.absorb(learned.services.get(name, {}))
        self.policy.absorb(learned.arms)
