"""A service: a kind of request with its own requirement."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from perllm.domain.request import Requirement
from perllm.domain.server import Tier


class WhenInfeasible(StrEnum):
    """What becomes of a request that no server can finish in time."""

    SERVE = "serve"
    REFUSE = "refuse"


class WhenLate(StrEnum):
    """What becomes of a request that is still being served when its requirement has passed."""

    SERVE = "serve"
    CANCEL = "cancel"


class Service(Struct, frozen=True, kw_only=True, gc=False):
    """A kind of request: what it needs, where it may go, and what is believed of it before the first one is seen.

    `attainment` is the share of requests that must be in time, and so the confidence with which a server must be
    expected to be in time before it counts as feasible. `tiers` and `servers` bound where its data may go; None:
    anywhere. `output_tokens` is the expected length of an answer, `output_spread` the standard deviation of its
    logarithm, and `reply_bytes_per_token` what one token of a streamed answer weighs on the link.
    """

    name: str
    requirement: Requirement = Requirement()
    attainment: float = 0.95
    when_infeasible: WhenInfeasible = WhenInfeasible.SERVE
    when_late: WhenLate = WhenLate.SERVE
    timeout_s: float = 600.0
    tiers: frozenset[Tier] | None = None
    servers: frozenset[str] | None = None
    output_tokens: float = 128.0
    output_spread: float = 0.8
    reply_bytes_per_token: float = 250.0
