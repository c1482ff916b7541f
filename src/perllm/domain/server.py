"""A server: an engine somewhere, the link to it, and what is believed of both before the first request."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from perllm.domain.profile import Batching, PowerProfile, Rest, SpeedProfile


class Tier(StrEnum):
    """Which side of the uplink a server stands on."""

    EDGE = "edge"
    CLOUD = "cloud"


class Coefficient(StrEnum):
    """What kind of figure a link's energy is. Results under different kinds cannot be compared."""

    DECLARED = "declared"
    """The file's own."""
    MARGINAL = "marginal"
    """What one more bit costs."""
    AVERAGE = "average"
    """All that the network draws, shared among its bits."""


class Link(Struct, frozen=True, kw_only=True, gc=False):
    """The way to a server: round trip, rate each way, and the energy one byte costs on it, by what kind of figure."""

    rtt_s: float = 0.0
    up_bytes_per_s: float = 125e6
    down_bytes_per_s: float = 125e6
    j_per_byte: float = 0.0
    coefficient: Coefficient = Coefficient.DECLARED


class Server(Struct, frozen=True, kw_only=True, gc=False):
    """Where a request may go.

    `models` are the names clients may ask for that this server answers with an equivalent model. `slots` is how many
    requests its engine works on at once, `kv_tokens` how many tokens fit its cache, `context_tokens` how many of them
    one request may use. `step_tokens` bounds what one step reads and writes, `caches_prefixes` says whether the start
    of an earlier prompt need not be read again. `rests` are the states in which it saves power, the deepest last.
    """

    server_id: str
    tier: Tier
    models: frozenset[str]
    slots: int
    kv_tokens: int
    context_tokens: int
    link: Link
    speed: SpeedProfile
    power: PowerProfile
    batching: Batching = Batching.PREFILL_FIRST
    step_tokens: int = 2048
    caches_prefixes: bool = False
    rests: tuple[Rest, ...] = ()

    @property
    def sleep(self) -> Rest | None:
        """The deepest rest it can be sent into, None where it obeys no command."""
        return next((rest for rest in reversed(self.rests) if rest.on_command), None)
