"""What a file says of a server: where it stands, what it serves, how fast it is and what it draws."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from perllm.config.kinds import Count, ModelName, Name, NotNegative, Positive, Section
from perllm.domain.server import Tier

_ROUNDING: Final = 1e-9


class LinkSection(Section, frozen=True, kw_only=True):
    """The way to a server, as its users measure it."""

    rtt_ms: NotNegative = 0.0
    up_mbit_per_s: Positive = 1000.0
    down_mbit_per_s: Positive = 1000.0
    nj_per_bit: NotNegative = 0.0


class SpeedSection(Section, frozen=True, kw_only=True):
    """How fast an engine is: reading prompts, writing one answer, and writing `batch_size` answers at once.

    `batch_decode_tokens_per_s` counts the tokens of all those answers together.
    """

    prefill_tokens_per_s: Positive
    decode_tokens_per_s: Positive
    batch_decode_tokens_per_s: Positive | None = None
    batch_size: Count | None = None
    step_overhead_ms: NotNegative = 0.0
    request_overhead_ms: NotNegative = 0.0

    def __post_init__(self) -> None:
        """Refuse figures that contradict each other."""
        if self.step_overhead_ms * self.decode_tokens_per_s >= 1000.0:
            raise ValueError("step_overhead_ms is as long as one token takes at decode_tokens_per_s")
        if (self.batch_size is None) != (self.batch_decode_tokens_per_s is None):
            raise ValueError("batch_size and batch_decode_tokens_per_s only make sense together")
        if self.batch_size is None or self.batch_decode_tokens_per_s is None:
            return
        gain = self.batch_decode_tokens_per_s / self.decode_tokens_per_s
        if not 1.0 - _ROUNDING <= gain <= self.batch_size * (1.0 + _ROUNDING):
            raise ValueError(
                "batch_decode_tokens_per_s, of all answers together, must lie between"
                " decode_tokens_per_s and batch_size times that"
            )


class PowerSection(Section, frozen=True, kw_only=True):
    """What the machine draws, in watts, at the wall if possible."""

    idle_w: NotNegative
    decode_w: NotNegative
    decode_full_w: NotNegative | None = None
    prefill_w: NotNegative | None = None

    def __post_init__(self) -> None:
        """Refuse a machine that draws less when it works."""
        working = (self.decode_w, self.decode_full_w, self.prefill_w)
        if any(watts is not None and watts < self.idle_w for watts in working):
            raise ValueError("a machine at work draws at least its idle_w")
        if self.decode_full_w is not None and self.decode_full_w < self.decode_w:
            raise ValueError("decode_full_w, for a full batch, is at least decode_w, for one answer")


class ServerSection(Section, frozen=True, kw_only=True):
    """A server as both files describe it. `kv_tokens` defaults to full slots: slots × context_tokens."""

    tier: Tier
    models: Annotated[tuple[ModelName, ...], Meta(min_length=1, description="a list with at least one model")]
    preset: Name | None = None
    slots: Count = 1
    context_tokens: Count = 4096
    kv_tokens: Count | None = None
    link: LinkSection = LinkSection()
    speed: SpeedSection | None = None
    power: PowerSection | None = None


class Preset(Section, frozen=True, kw_only=True):
    """The part of a server that a preset fills in; what the file itself says goes first."""

    slots: Count
    context_tokens: Count
    kv_tokens: Count
    speed: SpeedSection
    power: PowerSection | None = None
