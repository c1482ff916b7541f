"""What the brain remembers of a request and of its attempts while they live."""

from __future__ import annotations

from math import inf

from msgspec import Struct

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


class Basis(Struct, frozen=True, gc=False):
    """The profile's own prediction, uncorrected, kept with the attempt so that its end can teach the corrections.

    Of `prompt_tokens` it counts on `cached_tokens` that need not be read.
    """

    first_token_s: float
    token_s: float
    prefill_s: float
    prefill_j: float
    share_token_j: float
    live_tokens: float
    prompt_tokens: float
    cached_tokens: float = 0.0


class AttemptRecord(Struct, eq=False):
    """One try of a request on a server, from its reservation to its close. Without a `basis` nothing was predicted.

    `queued`: behind full slots. `unread_s` is the time its prompt will need to be read, where its first token shows
    that it has been, `exposure` the chance of being in time that a second of delay would take from it.
    """

    attempt_id: str
    owner: RequestRecord
    server: ServerState
    reservation: Reservation
    basis: Basis | None
    dispatched_at_s: float
    queued: bool
    free_slots_fraction: float
    free_bandwidth_fraction: float
    live_tokens: float
    unread_s: float
    exposure: float
    first_token_at_s: float | None = None
    state: AttemptState = AttemptState.SENT


class RequestRecord(Struct, eq=False, kw_only=True):
    """One request, from its arrival to its outcome.

    `latest_start_at_s` is the last instant at which waiting is believed harmless; infinite once (or if) no requirement
    can be missed by waiting longer. `awaits` is the server on the way to which it waits for company.
    """

    request: Request
    service: Service
    number: int
    arrived_at_s: float
    deadline_at_s: float
    group: Group
    latest_start_at_s: float = inf
    hold_timer_at_s: float = inf
    key: Key | None = None
    awaits: ServerState | None = None
    state: RequestState = RequestState.HELD
    attempts: int = 0
    tried: frozenset[str] = frozenset()
    attempt: AttemptRecord | None = None
    dispatch: Dispatch | None = None
    dispatched_at_s: float | None = None
    first_token_at_s: float | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    transmit_j: float = 0.0
    infer_j: float = 0.0
    energy_method: EnergyMethod = EnergyMethod.DECLARED
    cancel_cause: CancelCause | None = None


def arrived(request: Request, service: Service, number: int, now_s: float) -> RequestRecord:
    """Begin the record of a request."""
    total_s = request.requirement.total_s
    return RequestRecord(
        request=request,
        service=service,
        number=number,
        arrived_at_s=now_s,
        deadline_at_s=inf if total_s is None else now_s + total_s,
        group=(service.name, request.model, request.allowed_servers),
    )


def attempted(
    dispatch: Dispatch,
    owner: RequestRecord,
    server: ServerState,
    basis: Basis | None,
    exposure: float,
    now_s: float,
) -> AttemptRecord:
    """Begin the record of an attempt, before anything is reserved for it."""
    batch, slots, reservation = server.batch, server.slots, dispatch.reservation
    return AttemptRecord(
        dispatch.attempt_id,
        owner,
        server,
        reservation,
        basis,
        now_s,
        batch >= slots,
        1.0 - (batch + 1) / slots,
        1.0 - (server.bytes_per_s + reservation.bytes_per_s) / server.bytes_per_s_limit,
        basis.live_tokens if basis is not None else 0.0,
        basis.prefill_s if basis is not None and owner.request.stream else 0.0,
        exposure,
    )
