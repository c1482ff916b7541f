"""Seconds: how long links and engine steps take."""

from __future__ import annotations

from perllm.domain.profile import SpeedProfile
from perllm.domain.server import Link


def prefill_s(speed: SpeedProfile, tokens: float) -> float:
    """Time to read a prompt of `tokens`, which occupies the whole engine."""
    return max(tokens * speed.prefill_token_s, speed.weights_read_s) + speed.step_overhead_s


def decode_step_s(speed: SpeedProfile, batch: int) -> float:
    """Time of one decode step over `batch` sequences: the longer of arithmetic and one pass over the weights."""
    return max(batch * speed.decode_token_s, speed.weights_read_s) + speed.step_overhead_s


def upload_s(link: Link, payload_bytes: float) -> float:
    """Time until a request has reached its server: half a round trip and its bytes at the link's rate."""
    return link.rtt_s / 2 + payload_bytes / link.up_bytes_per_s


def download_s(link: Link, reply_bytes: float) -> float:
    """Time until bytes sent by the server have reached us."""
    return link.rtt_s / 2 + reply_bytes / link.down_bytes_per_s
