"""What is known of a machine before it serves: the constants of the formulas in `costs`."""

from __future__ import annotations

from msgspec import Struct


class SpeedProfile(Struct, frozen=True, kw_only=True):
    """How long an engine's steps take.

    A decode step over a batch takes the longer of `decode_token_s` per sequence (arithmetic) and `weights_read_s` (one
    pass over the weights, shared by the batch), plus `step_overhead_s`. A prompt takes `prefill_token_s` per token.
    `request_overhead_s` is spent once per request outside the engine's steps.
    """

    prefill_token_s: float
    decode_token_s: float
    weights_read_s: float = 0.0
    step_overhead_s: float = 0.0
    request_overhead_s: float = 0.0


class PowerProfile(Struct, frozen=True, kw_only=True):
    """What a machine draws: idle with the model loaded, reading prompts, and decoding one sequence or a full batch."""

    idle_w: float
    prefill_w: float
    decode_w: float
    decode_full_w: float
