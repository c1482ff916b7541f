"""What the brain remembers of a request and of its attempts while they live."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from perllm.domain.action import CancelCause, Dispatch, Reservation
from perllm.domain.energy import EnergyMethod
from perllm.domain.request import Request
from perllm.domain.service import Service
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.life import AttemptState, RequestState

# What the held are sorted by, least first (see queue).
Key = tuple[float, float, int]

# Requests of one group can go to the same servers: service, model asked for, servers the request itself allows.
Group = tuple[str, str, frozenset[str] | None]


class Basis(NamedTuple):
    """The profile's own prediction, uncorrected, kept with the attempt so that its end can teach the corrections."""

    first_token_s: float
    token_s: float
    prefill_s: float
    prefill_j: float
    share_token_j: float
    live_tokens: float


class AttemptRecord:
    """One try of a request on a server, from its reservation to its close. Without a `basis` nothing was predicted."""

    __slots__ = (
        "attempt_id", "basis", "dispatched_at_s", "first_token_at_s", "free_bandwidth_fraction", "free_slots_fraction",
        "live_tokens", "owner", "queued", "reservation", "server", "state", "unread_s",
    )  # fmt: skip

    def __init__(
        self, *, dispatch: Dispatch, owner: RequestRecord, server: ServerState, basis: Basis | None, now_s: float
    ) -> None:
        self.attempt_id = dispatch.attempt_id
        self.owner = owner
        self.server = server
        self.reservation: Reservation = dispatch.reservation
        self.basis = basis
        self.dispatched_at_s = now_s
        self.first_token_at_s: float | None = None
        # Behind full slots: the caller reserves only after this.
        self.queued = server.batch >= server.slots
        self.free_slots_fraction = 1.0 - (server.batch + 1) / server.slots
        self.free_bandwidth_fraction = (
            1.0 - (server.bytes_per_s + dispatch.reservation.bytes_per_s) / server.bytes_per_s_limit
        )
        self.live_tokens = basis.live_tokens if basis is not None else 0.0
        self.unread_s = basis.prefill_s if basis is not None and owner.request.stream else 0.0
        self.state = AttemptState.SENT


class RequestRecord:
    """One request, from its arrival to its outcome.

    `latest_start_at_s` is the last instant at which waiting is believed harmless; infinite once (or if) no requirement
    can be missed by waiting longer.
    """

    __slots__ = (
        "arrived_at_s",
        "attempt",
        "attempts",
        "cancel_cause",
        "deadline_at_s",
        "dispatch",
        "dispatched_at_s",
        "energy_method",
        "first_token_at_s",
        "group",
        "hold_timer_at_s",
        "infer_j",
        "key",
        "latest_start_at_s",
        "number",
        "output_tokens",
        "prompt_tokens",
        "request",
        "service",
        "state",
        "transmit_j",
        "tried",
    )  # fmt: skip

    def __init__(self, *, request: Request, service: Service, number: int, now_s: float) -> None:
        self.request = request
        self.service = service
        self.number = number
        self.arrived_at_s = now_s
        total_s = request.requirement.total_s
        self.deadline_at_s = inf if total_s is None else now_s + total_s
        self.latest_start_at_s = inf
        self.hold_timer_at_s = inf
        self.key: Key | None = None
        self.group: Group = (service.name, request.model, request.allowed_servers)
        self.state = RequestState.HELD
        self.attempts = 0
        self.tried: frozenset[str] = frozenset()
        self.attempt: AttemptRecord | None = None
        self.dispatch: Dispatch | None = None
        self.dispatched_at_s: float | None = None
        self.first_token_at_s: float | None = None
        self.prompt_tokens = 0
        self.output_tokens = 0
        self.transmit_j = 0.0
        self.infer_j = 0.0
        self.energy_method = EnergyMethod.DECLARED
        self.cancel_cause: CancelCause | None = None
