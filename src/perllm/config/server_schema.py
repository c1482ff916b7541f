"""What a file says of a server: where it stands, what it serves, how fast it is and what it draws."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final

from msgspec import Meta

from perllm.config.device_schema import Weights
from perllm.config.figures import Provenance
from perllm.config.kinds import Count, ModelName, Name, NotNegative, Positive, PresetName, Section, Share, TargetShare
from perllm.config.networks import Network
from perllm.domain.profile import Batching
from perllm.domain.server import Tier

_ROUNDING: Final = 1e-9


class LinkSection(Section, frozen=True, kw_only=True):
    """The way to a server, as its users measure it. Its energy: their own figure, or the name of a published one."""

    rtt_ms: NotNegative = 0.0
    up_mbit_per_s: Positive = 1000.0
    down_mbit_per_s: Positive = 1000.0
    nj_per_bit: NotNegative = 0.0
    network: Network | None = None

    def __post_init__(self) -> None:
        """Refuse two energies of one bit."""
        if self.network is not None and self.nj_per_bit > 0.0:
            raise ValueError("nj_per_bit and network say the same thing in two ways: give one of them")


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


class TimingSection(Section, frozen=True, kw_only=True):
    """How long an engine's steps take, as constants of the formulas: what `perllm calibrate` measures and writes.

    A step takes the longer of arithmetic (each prompt token read, each pair of it and an earlier token, each sequence
    that writes) and memory traffic (the weights once, each token of context), `serial_fraction` of the shorter, and the
    overheads.
    """

    prefill_us_per_token: Positive
    decode_us_per_sequence: NotNegative
    weights_read_ms: NotNegative = 0.0
    attention_ns_per_pair: NotNegative = 0.0
    context_ns_per_token: NotNegative = 0.0
    serial_fraction: Share = 0.0
    step_overhead_ms: NotNegative = 0.0
    sequence_overhead_us: NotNegative = 0.0
    batching_overhead_ms: NotNegative = 0.0
    request_overhead_ms: NotNegative = 0.0

    def __post_init__(self) -> None:
        """Refuse an engine that decodes in no time."""
        if (
            self.decode_us_per_sequence + self.sequence_overhead_us + self.weights_read_ms + self.step_overhead_ms
            <= 0.0
        ):
            raise ValueError("a decode step takes no time by these figures")


class RestSection(Section, frozen=True, kw_only=True):
    """A state of little power: when the machine falls into it, what it draws there, and what waking costs.

    By itself after so long without work, or `on_command`, when the scheduler says so.
    """

    after_s: NotNegative | None = None
    watts: NotNegative
    wake_s: NotNegative
    wake_j: NotNegative = 0.0
    on_command: bool = False

    def __post_init__(self) -> None:
        """Refuse a rest that nothing leads into."""
        if self.after_s is None and not self.on_command:
            raise ValueError("a rest needs after_s, or on_command: true, or nothing ever leads into it")


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


class HardwareSection(Section, frozen=True, kw_only=True):
    """What runs what: `speed`, `power`, `slots` and the rest follow from published figures.

    `memory_fraction` is the part of the memory that the engine may use. With `unload_after_s` the engine drops the
    model after so long without work, and the next request waits until it is loaded again.
    """

    device: Name
    model: Name
    weights: Weights = Weights.FP16
    count: Count = 1
    memory_fraction: TargetShare | None = None
    unload_after_s: NotNegative | None = None


class ServerSection(Section, frozen=True, kw_only=True):
    """A server as both files describe it. `kv_tokens` defaults to full slots: slots × context_tokens."""

    tier: Tier
    models: Annotated[tuple[ModelName, ...], Meta(min_length=1, description="a list with at least one model")]
    preset: PresetName | None = None
    hardware: HardwareSection | None = None
    slots: Count = 1
    context_tokens: Count = 4096
    kv_tokens: Count | None = None
    link: LinkSection = LinkSection()
    speed: SpeedSection | None = None
    timing: TimingSection | None = None
    power: PowerSection | None = None
    batching: Batching = Batching.PREFILL_FIRST
    step_tokens: Count = 2048
    caches_prefixes: bool = False
    rests: tuple[RestSection, ...] = ()

    def __post_init__(self) -> None:
        """Refuse speeds given twice, and rests out of order."""
        if self.speed is not None and self.timing is not None:
            raise ValueError("speed and timing say the same thing in two ways: give one of them")
        by_themselves = [rest.after_s for rest in self.rests if rest.after_s is not None]
        if any(deeper < lighter for lighter, deeper in pairwise(by_themselves)):
            raise ValueError("rests must stand in the order of their after_s")


class Preset(Section, frozen=True, kw_only=True):
    """The part of a server that a preset fills in; what the file itself says goes first.

    `origins` says of its numbers, by place (`speed.decode_tokens_per_s`), where they come from.
    """

    origins: dict[str, Provenance] = {}
    hardware: HardwareSection | None = None
    slots: Count | None = None
    context_tokens: Count | None = None
    kv_tokens: Count | None = None
    speed: SpeedSection | None = None
    timing: TimingSection | None = None
    power: PowerSection | None = None
    link: LinkSection | None = None
    batching: Batching = Batching.PREFILL_FIRST
    step_tokens: Count = 2048
    caches_prefixes: bool = False
    rests: tuple[RestSection, ...] = ()
