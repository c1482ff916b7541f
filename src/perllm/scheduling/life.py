"""The life of a request and of an attempt, as tables. The diagrams in docs/life.md are drawn from them.

Two rules. Everything that may happen to a request or an attempt is a row here; what has no row raises InvariantError.
This file knows no server, no policy and no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from perllm.errors import InvariantError

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class Word(StrEnum):
    """One of a closed list, hashed as the text that it equals: an enumeration's own hash is a call into Python."""

    __hash__ = str.__hash__


class RequestState(Word):
    """Where a request is."""

    HELD = "held"
    IN_FLIGHT = "in_flight"
    LEAVING = "leaving"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    REFUSED = "refused"


class RequestEvent(Word):
    """What happens to a request."""

    DISPATCH = "dispatch"
    REFUSE = "refuse"
    TIME_OUT = "time out"
    CANCEL = "cancel"
    COMPLETE = "complete"
    FAIL_OVER = "fail over"
    FAIL = "fail"


class AttemptState(Word):
    """How far an attempt has come."""

    SENT = "sent"
    STREAMING = "streaming"
    CLOSED = "closed"


class AttemptEvent(Word):
    """What happens to an attempt."""

    FIRST_TOKEN = "first token"
    TOKENS = "tokens"
    CLOSE = "close"


REQUEST_LIFE: Mapping[tuple[RequestState, RequestEvent], RequestState] = {
    (RequestState.HELD, RequestEvent.DISPATCH): RequestState.IN_FLIGHT,
    (RequestState.HELD, RequestEvent.REFUSE): RequestState.REFUSED,
    (RequestState.HELD, RequestEvent.TIME_OUT): RequestState.TIMED_OUT,
    (RequestState.HELD, RequestEvent.CANCEL): RequestState.CANCELLED,
    (RequestState.HELD, RequestEvent.FAIL): RequestState.FAILED,
    (RequestState.IN_FLIGHT, RequestEvent.COMPLETE): RequestState.COMPLETED,
    (RequestState.IN_FLIGHT, RequestEvent.FAIL_OVER): RequestState.HELD,
    (RequestState.IN_FLIGHT, RequestEvent.FAIL): RequestState.FAILED,
    (RequestState.IN_FLIGHT, RequestEvent.CANCEL): RequestState.LEAVING,
    (RequestState.IN_FLIGHT, RequestEvent.TIME_OUT): RequestState.TIMED_OUT,
    (RequestState.LEAVING, RequestEvent.CANCEL): RequestState.CANCELLED,
    (RequestState.LEAVING, RequestEvent.COMPLETE): RequestState.COMPLETED,
}

ATTEMPT_LIFE: Mapping[tuple[AttemptState, AttemptEvent], AttemptState] = {
    (AttemptState.SENT, AttemptEvent.FIRST_TOKEN): AttemptState.STREAMING,
    (AttemptState.SENT, AttemptEvent.CLOSE): AttemptState.CLOSED,
    (AttemptState.STREAMING, AttemptEvent.TOKENS): AttemptState.STREAMING,
    (AttemptState.STREAMING, AttemptEvent.CLOSE): AttemptState.CLOSED,
}


def after_request(state: RequestState, event: RequestEvent) -> RequestState:
    """Return the state a request reaches, or raise InvariantError where the table has no row."""
    try:
        return REQUEST_LIFE[state, event]
    except KeyError:
        raise InvariantError(f"a request that is {state} cannot {event}") from None


def after_attempt(state: AttemptState, event: AttemptEvent) -> AttemptState:
    """Return the state an attempt reaches, or raise InvariantError where the table has no row."""
    try:
        return ATTEMPT_LIFE[state, event]
    except KeyError:
        raise InvariantError(f"an attempt that is {state} cannot have: {event}") from None


def diagram(table: Mapping[tuple[State, Event], State], start: State) -> str:
    """Draw a table as a Mermaid state diagram."""
    leaving = {state for state, _ in table}
    ends = sorted({state for state in table.values() if state not in leaving})
    lines = ["stateDiagram-v2", f"    [*] --> {start}"]
    lines += [f"    {state} --> {following}: {event}" for (state, event), following in table.items()]
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join(lines)
