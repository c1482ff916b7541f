"""Soonest, whatever it costs."""

from __future__ import annotations

from perllm.domain.request import Requirement
from perllm.scheduling.policies.shortest_expected_delay import ShortestExpectedDelay
from tests.unit.scheduling.builders import dispatch_of, request, scheduler
from tests.unit.scheduling.policies.candidates import candidates


def test_the_shortest_time_wins_and_joules_do_not_count() -> None:
    case = candidates([1.0, 900.0, 5.0], total_s=[3.0, 2.0, 4.0])

    assert [-3.0, -2.0, -4.0] == list(ShortestExpectedDelay().score(request(), case, 0.0))


def test_a_queue_at_the_fast_server_sends_the_next_to_the_slow_one() -> None:
    brain = scheduler(policy="shortest-expected-delay")
    visited = [dispatch_of(brain.submit(request(f"r{n}"), 0.0)).server_id for n in range(40)]

    assert "cloud" == visited[0]
    assert "edge" in visited


def test_a_requirement_that_nobody_can_meet_changes_nothing() -> None:
    brain = scheduler(policy="shortest-expected-delay")

    assert "cloud" == dispatch_of(brain.submit(request(requirement=Requirement(total_s=1e-6)), 0.0)).server_id
