"""The least busy, by count or for its size."""

from __future__ import annotations

import pytest

from perllm.scheduling.policies.least_outstanding import LeastOutstanding
from tests.unit.scheduling.builders import dispatch_of, request, scheduler
from tests.unit.scheduling.policies.candidates import candidates


@pytest.mark.parametrize(("per_slot", "scores"), [(False, [-2.0, -4.0]), (True, [-1.0, -0.5])])
def test_a_large_server_counts_as_less_busy_only_per_slot(per_slot: bool, scores: list[float]) -> None:
    case = candidates([9.0, 1.0], outstanding=[2, 4], slots=[2, 8])

    assert scores == list(LeastOutstanding(per_slot=per_slot).score(request(), case, 0.0))


def test_per_slot_an_edge_of_two_and_a_cloud_of_eight_slots_fill_one_to_four() -> None:
    brain = scheduler(policy="least-outstanding:per_slot=true")
    visited = [dispatch_of(brain.submit(request(f"r{n}"), 0.0)).server_id for n in range(20)]

    assert (4, 16) == (visited.count("edge"), visited.count("cloud"))
