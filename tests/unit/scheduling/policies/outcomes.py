"""Outcomes for tests of policies that learn from them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from perllm.domain.action import Fate, Outcome
from perllm.domain.energy import Energy, EnergyMethod
from perllm.domain.request import Requirement

IN_TIME = Outcome(
    request_id="r1", service="chat", fate=Fate.COMPLETED, refusal=None, server_id="s0", attempts=1, arrived_at_s=0.0,
    dispatched_at_s=0.0, first_token_at_s=None, finished_at_s=2.0, requirement=Requirement(total_s=5.0), in_time=True,
    counted=True, prompt_tokens=100, output_tokens=50, energy=Energy(transmit_j=0.0, infer_j=1.0),
    energy_method=EnergyMethod.MODELLED, predicted_total_s=None, predicted_energy_j=None,
)  # fmt: skip


def late(taken_s: float, **changes: Any) -> Outcome:
    """Return what became of a request that took too long."""
    return replace(IN_TIME, finished_at_s=taken_s, in_time=False, **changes)
