"""Seconds: how long links and engine steps take."""

from __future__ import annotations

from perllm.domain.profile import SpeedProfile
from perllm.domain.server import Link


def attention_pairs(tokens: float, before: float = 0.0) -> float:
    """Count the pairs that attention looks at when `tokens` are read behind `before` tokens that are known already."""
    return tokens * (before + tokens / 2)


def busy_s(speed: SpeedProfile, arithmetic_s: float, memory_s: float) -> float:
    """Time of arithmetic and memory traffic that go on together: the longer one, and of the shorter what is not hidden.

    Kernels change smoothly from being bound by memory to being bound by arithmetic: with equal amounts of both, neither
    waits for the other in full, nor hides behind it in full.
    """
    if arithmetic_s > memory_s:
        return arithmetic_s + speed.serial_fraction * memory_s
    return memory_s + speed.serial_fraction * arithmetic_s


def prefill_s(speed: SpeedProfile, tokens: float, before: float = 0.0) -> float:
    """Time of a step that reads a prompt of `tokens` behind `before` cached ones and does nothing else."""
    arithmetic_s = tokens * speed.prefill_token_s + attention_pairs(tokens, before) * speed.attention_pair_s
    return busy_s(speed, arithmetic_s, speed.weights_read_s) + speed.step_overhead_s


def decode_step_s(speed: SpeedProfile, batch: int, context_tokens: float = 0.0) -> float:
    """Time of one decode step over `batch` sequences that have `context_tokens` in the cache together.

    Arithmetic beside memory traffic (one pass over the weights, shared, and one over everybody's context), plus
    overheads.
    """
    memory_s = speed.weights_read_s + context_tokens * speed.context_token_s
    return busy_s(speed, batch * speed.decode_token_s, memory_s) + step_overheads_s(speed, batch)


def step_overheads_s(speed: SpeedProfile, batch: int) -> float:
    """Time that a step over `batch` sequences takes besides arithmetic and memory traffic."""
    batching_s = speed.batching_overhead_s if batch > 1 else 0.0
    return speed.step_overhead_s + batch * speed.sequence_overhead_s + batching_s


def upload_s(link: Link, payload_bytes: float) -> float:
    """Time until a request has reached its server: half a round trip and its bytes at the link's rate."""
    return link.rtt_s / 2 + payload_bytes / link.up_bytes_per_s


def download_s(link: Link, reply_bytes: float) -> float:
    """Time until bytes sent by the server have reached us."""
    return link.rtt_s / 2 + reply_bytes / link.down_bytes_per_s
