"""Joules: what links and engine steps draw."""

from __future__ import annotations

from perllm.costs.time import decode_step_s
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.server import Link


def transmit_j(link: Link, bytes_moved: float) -> float:
    """Energy of moving bytes over a link (the paper's E_tran)."""
    return bytes_moved * link.j_per_byte


def prefill_w(power: PowerProfile) -> float:
    """Watts above idle while a prompt is read."""
    return power.prefill_w - power.idle_w


def decode_w(power: PowerProfile, batch: int, slots: int) -> float:
    """Watts above idle while `batch` sequences decode: linear from one sequence to a full batch of `slots`."""
    if batch <= 0:
        return 0.0
    share = (batch - 1) / (slots - 1) if slots > 1 else 0.0
    return power.decode_w + (power.decode_full_w - power.decode_w) * min(share, 1.0) - power.idle_w


def mixed_w(reading_w: float, writing_w: float, arithmetic_s: float, memory_s: float) -> float:
    """Watts above idle of a step that reads beside writing: the nearer to being ruled by arithmetic, the more."""
    busy = 1.0 if arithmetic_s >= memory_s else arithmetic_s / memory_s
    mixed = writing_w + (reading_w - writing_w) * busy
    return mixed if mixed > writing_w else writing_w


def marginal_decode_j(
    speed: SpeedProfile, power: PowerProfile, batch: int, slots: int, context_tokens: float = 0.0
) -> float:
    """Energy of one more token when its sequence joins `batch` others with `context_tokens` in the cache.

    The step draws what it draws with the newcomer less what it would have drawn without: waking an idle machine costs
    the whole step, joining a batch that is bound by reading weights costs little. The newcomer is taken to have as much
    context as each of the others.
    """
    if batch <= 0:
        return decode_w(power, 1, slots) * decode_step_s(speed, 1)
    after_tokens = context_tokens * (batch + 1) / batch
    joined_j = decode_w(power, batch + 1, slots) * decode_step_s(speed, batch + 1, after_tokens)
    return joined_j - decode_w(power, batch, slots) * decode_step_s(speed, batch, context_tokens)
