"""What a shell reports of one try of a request on a server."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from perllm.domain.energy import EnergyMethod


class Stage(StrEnum):
    """How far an attempt has come."""

    FIRST_TOKEN = "first_token"
    TOKENS = "tokens"


class Progress(Struct, frozen=True, kw_only=True, gc=False):
    """An attempt moved on. `tokens` is the count seen so far."""

    stage: Stage
    tokens: int = 0


class EndingKind(StrEnum):
    """How an attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"


class Usage(Struct, frozen=True, kw_only=True, gc=False):
    """Token counts as the engine told them, and the phases it timed itself, where it did."""

    prompt_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    prefill_s: float | None = None
    decode_s: float | None = None


class Ending(Struct, frozen=True, kw_only=True, gc=False):
    """The end of an attempt, with what is known of its cost.

    `retryable`: no byte has reached the client, so another server may try. `output_tokens` counts what was seen where
    the engine told no usage. `blame_server` is false where the request itself was at fault (a 400).
    """

    kind: EndingKind
    usage: Usage | None = None
    output_tokens: int = 0
    retryable: bool = False
    blame_server: bool = True
    retry_after_s: float | None = None
    transmit_j: float = 0.0
    infer_j: float | None = None
    energy_method: EnergyMethod = EnergyMethod.DECLARED
    detail: str = ""
