"""The hard limits: each rule says why a server cannot take a request, or None.

Lasting ones depend on the kind of request and the server's description alone, and are judged once; passing ones are
judged at every decision. To add one: a function here, its place in a tuple, a reason.

Servers that are well at a glance are spared the passing ones: what a new one looks at must count there too, in
`ServerState.look` and for large fleets in `sifting`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp

from perllm.domain.reason import Violation
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.need import Need
from perllm.scheduling.predictor import kv_tokens_of
from perllm.scheduling.records import RequestRecord

Lasting = Callable[[Request, Service, Server], Violation | None]
Passing = Callable[[RequestRecord, Need, ServerState, float], Violation | None]

# Looking a member up in its enumeration costs as much as three calls where that is done for every request.
_NO_SLOT, _FIRST_TOKEN_TOO_SLOW, _TOO_SLOW = Violation.NO_SLOT, Violation.FIRST_TOKEN_TOO_SLOW, Violation.TOO_SLOW


def serves_model(request: Request, service: Service, server: Server) -> Violation | None:
    """Model equivalence: the server answers for the name the client asked for."""
    return None if request.model in server.models else Violation.MODEL_NOT_SERVED


def is_allowed(request: Request, service: Service, server: Server) -> Violation | None:
    """Privacy: the service's tiers and servers, and the request's own."""
    if service.tiers is not None and server.tier not in service.tiers:
        return Violation.NOT_ALLOWED
    if service.servers is not None and server.server_id not in service.servers:
        return Violation.NOT_ALLOWED
    if request.allowed_servers is not None and server.server_id not in request.allowed_servers:
        return Violation.NOT_ALLOWED
    return None


def is_healthy(record: RequestRecord, need: Need, state: ServerState, now_s: float) -> Violation | None:
    """The last probe found it alive."""
    return None if state.healthy else Violation.UNHEALTHY


def can_take_it(record: RequestRecord, need: Need, state: ServerState, now_s: float) -> Violation | None:
    """No attempt of this request has failed there, and it is not sure that its prompt is longer than the context."""
    if state.server_id in record.tried:
        return Violation.ALREADY_TRIED
    if need.prompt_tokens < state.server.context_tokens:
        return None
    # Two spreads below the guess: only what surely does not fit is turned away unseen.
    least_tokens = need.prompt_tokens * exp(-2 * need.prompt_log_sd)
    return None if least_tokens < state.server.context_tokens else Violation.CONTEXT_TOO_LONG


def is_rested(record: RequestRecord, need: Need, state: ServerState, now_s: float) -> Violation | None:
    """It is not pausing after a failure."""
    return None if now_s >= state.cooling_until_s else Violation.RESTING


def has_room(record: RequestRecord, need: Need, state: ServerState, now_s: float) -> Violation | None:
    """C2 and C3 of the paper: an engine slot, cache for the tokens, and something of the link are free."""
    if state.batch >= state.slots:
        return _NO_SLOT
    if state.kv_tokens + kv_tokens_of(need, state) > state.server.kv_tokens:
        return Violation.NO_KV_TOKENS
    return None if state.bytes_per_s < state.bytes_per_s_limit else Violation.NO_BANDWIDTH


# What cannot change while a request waits: judged once for each kind of request.
LASTING: tuple[Lasting, ...] = (serves_model, is_allowed)
# What is judged at every decision, most lasting first. The room is a constraint only where requests are held here.
STANDING: tuple[Passing, ...] = (is_healthy, can_take_it, is_rested)
ROOM: tuple[Passing, ...] = (has_room,)
# What time will lift by itself: worth waiting for.
TEMPORARY = frozenset({Violation.RESTING, _NO_SLOT, Violation.NO_KV_TOKENS, Violation.NO_BANDWIDTH})

# What says something of one request and nothing of others of its kind.
OWN = frozenset({Violation.ALREADY_TRIED, Violation.CONTEXT_TOO_LONG})


def too_slow(need: Need, first_token_s: float) -> Violation:
    """C1 of the paper, broken: the requirement is not met with the confidence the service asks for."""
    late_start = first_token_s > need.first_token_budget_s
    return _FIRST_TOKEN_TOO_SLOW if late_start else _TOO_SLOW


def first_broken(
    rules: Sequence[Passing], record: RequestRecord, need: Need, state: ServerState, now_s: float
) -> Violation | None:
    """Return the first constraint that a server breaks."""
    for rule in rules:
        violation = rule(record, need, state, now_s)
        if violation is not None:
            return violation
    return None
