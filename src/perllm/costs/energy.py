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


def marginal_decode_j(speed: SpeedProfile, power: PowerProfile, batch: int, slots: int) -> float:
    """Energy of one more token when its sequence joins `batch` others already decoding.

    The step draws what it draws with the newcomer less what it would have drawn without: waking an idle machine costs
    the whole step, joining a batch that is bound by reading weights costs little.
    """
    joined = decode_w(power, batch + 1, slots) * decode_step_s(speed, batch + 1)
    before = decode_w(power, batch, slots) * decode_step_s(speed, batch) if batch else 0.0
    return joined - before
