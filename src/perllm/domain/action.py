"""What the scheduler tells a shell to do, and how a request's life ended."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from perllm.domain.energy import Energy, EnergyMethod
from perllm.domain.explanation import Explanation
from perllm.domain.reason import Choice, Refusal
from perllm.domain.request import Requirement


class Reservation(Struct, frozen=True, kw_only=True, gc=False):
    """What an attempt holds on its server and link until it is closed."""

    kv_tokens: int
    bytes_per_s: float


class Dispatch(Struct, frozen=True, kw_only=True, gc=False):
    """Send the request to this server now. Times are from now, in seconds; None where nobody looked at any."""

    request_id: str
    attempt_id: str
    attempt_number: int
    server_id: str
    reservation: Reservation
    choice: Choice
    predicted_total_s: float | None
    predicted_energy_j: float | None
    explanation: Explanation | None


class CancelCause(StrEnum):
    """Why an attempt is stopped."""

    CLIENT_LEFT = "client-left"
    LATE = "late"
    TIMED_OUT = "timed-out"


class Cancel(Struct, frozen=True, kw_only=True, gc=False):
    """Stop this attempt upstream, then close it."""

    request_id: str
    attempt_id: str
    cause: CancelCause


class Refuse(Struct, frozen=True, kw_only=True, gc=False):
    """Tell the client no. `retry_after_s` where a later try may succeed."""

    request_id: str
    reason: Refusal
    retry_after_s: float | None
    explanation: Explanation | None


class PowerState(StrEnum):
    """Whether a machine is on."""

    AWAKE = "awake"
    ASLEEP = "asleep"


class SetPower(Struct, frozen=True, kw_only=True, gc=False):
    """Wake a server or send it to sleep."""

    server_id: str
    state: PowerState


class Fate(StrEnum):
    """How a request's life ended."""

    # As the text that it equals: an enumeration's own hash is a call into Python.
    __hash__ = str.__hash__

    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    REFUSED = "refused"


class Outcome(Struct, frozen=True, kw_only=True, gc=False):
    """What became of one request, over all its attempts.

    `in_time` says whether it met its requirement; `counted` is false for clients that left before theirs had passed.
    `server_id` and the predictions belong to the last attempt; None if there was none.
    """

    request_id: str
    service: str
    fate: Fate
    refusal: Refusal | None
    server_id: str | None
    attempts: int
    arrived_at_s: float
    dispatched_at_s: float | None
    first_token_at_s: float | None
    finished_at_s: float
    requirement: Requirement
    in_time: bool
    counted: bool
    prompt_tokens: int
    output_tokens: int
    energy: Energy
    energy_method: EnergyMethod
    predicted_total_s: float | None
    predicted_energy_j: float | None


class Finish(Struct, frozen=True, kw_only=True, gc=False):
    """The request's life is over: account for it."""

    outcome: Outcome


Action = Dispatch | Cancel | Refuse | SetPower | Finish
Actions = Sequence[Action]
