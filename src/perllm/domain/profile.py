"""What is known of a machine before it serves: the constants of the formulas in `costs`."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class SpeedProfile(Struct, frozen=True, kw_only=True, gc=False):
    """How long an engine's steps take: arithmetic and memory traffic, mostly at the same time, plus overheads.

    Arithmetic: `prefill_token_s` for each token of a prompt that is read, `attention_pair_s` for each pair of such a
    token and one before it, `decode_token_s` for each sequence that writes. Memory traffic: `weights_read_s` once,
    shared by everything in the step, and `context_token_s` for each token that writing sequences have in the cache. Of
    the two the longer counts, and `serial_fraction` of the shorter: the part that does not hide behind the other.
    Overheads: `step_overhead_s` once, `sequence_overhead_s` for each writing sequence, and `batching_overhead_s` once
    where several write: engines have kernels for one sequence alone that more of them cannot use.
    `request_overhead_s` is spent once per request outside the engine's steps.
    """

    prefill_token_s: float
    decode_token_s: float
    weights_read_s: float = 0.0
    attention_pair_s: float = 0.0
    context_token_s: float = 0.0
    serial_fraction: float = 0.0
    step_overhead_s: float = 0.0
    sequence_overhead_s: float = 0.0
    batching_overhead_s: float = 0.0
    request_overhead_s: float = 0.0


class PowerProfile(Struct, frozen=True, kw_only=True, gc=False):
    """What a machine draws: idle with the model loaded, reading prompts, and decoding one sequence or a full batch."""

    idle_w: float
    prefill_w: float
    decode_w: float
    decode_full_w: float


class Rest(Struct, frozen=True, kw_only=True, gc=False):
    """A state in which a machine draws `watts`: model unloaded, or asleep.

    It falls into it by itself once it has been idle for `after_s` (None: never), and when told to if `on_command`.
    The next request wakes it, or a command; that takes `wake_s` at idle power and `wake_j` on top.
    """

    watts: float
    wake_s: float
    after_s: float | None = None
    wake_j: float = 0.0
    on_command: bool = False


class Batching(StrEnum):
    """How an engine fits prompts in between the steps of sequences that write."""

    PREFILL_FIRST = "prefill-first"
    """Prompts are read whole as soon as there is room, several in one step; writing stands still meanwhile."""
    CHUNKED = "chunked"
    """Prompts are read in pieces beside writing: every step works on at most so many tokens."""
