"""Lessons for tests of policies that learn from rewards."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from perllm.scheduling.policy import Evident, Lesson, Policy
from tests.unit.scheduling.builders import request
from tests.unit.scheduling.policies.candidates import candidates

# 2 of 4 s are left, half of the slots and all of the link; 50 J.
GOOD = Lesson(
    request_id="r1", service="chat", server_id="s0", evident=Evident.FULLY, in_time=True, total_s=2.0, latency_s=2.0,
    requirement_s=4.0, transmit_j=10.0, infer_j=40.0, energy_ratio=1.0, free_slots_fraction=0.5,
    free_bandwidth_fraction=1.0, at_s=1.0,
)  # fmt: skip


def rewarded(server_id: str, reward: float, **changes: Any) -> Lesson:
    """Return the end of an attempt that is worth `reward`: everything is free, and joules make up the rest."""
    spent_j = (1.0 - reward) * 100.0
    free = replace(GOOD, requirement_s=None, free_slots_fraction=1.0, transmit_j=0.0, infer_j=spent_j)
    return replace(free, server_id=server_id, **changes)


COLUMNS = candidates([1.0, 1.0])


def play(policy: Policy, *rounds: tuple[str, float]) -> list[float]:
    """Choose and reward server after server, then return the scores."""
    for server_id, reward in rounds:
        policy.chose(request(), server_id, 0.0)
        policy.learn(rewarded(server_id, reward))
    return list(policy.score(request(), COLUMNS, 0.0))
