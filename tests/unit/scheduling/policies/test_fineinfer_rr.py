"""Deferred continuous batching on every server in turn."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from perllm.domain.action import Action, Dispatch
from perllm.domain.request import Requirement
from perllm.domain.telemetry import Health
from perllm.scheduling.policies.fineinfer_rr import FineInferRoundRobin
from tests.unit.scheduling.builders import EDGE, request, scheduler

FLEET = tuple(replace(EDGE, server_id=name) for name in "ab")
PATIENT = Requirement(total_s=60.0)


def test_requests_are_placed_in_turn_and_each_server_starts_its_own_batch() -> None:
    brain = scheduler(*FLEET, policy=FineInferRoundRobin())
    sent = [_places(brain.submit(request(f"r{at_s}", requirement=PATIENT), at_s)) for at_s in (0.0, 0.2, 0.4)]

    # The third fills the first server's batch of two; the second server's only one waits on.
    assert [{}, {}] == sent[:2]
    assert {"r0.4", "r0.0"} == set(sent[2])
    (first,) = set(sent[2].values())
    later = _places(brain.wake(1.2))
    assert {"r0.2"} == set(later)
    assert first != later["r0.2"]


@pytest.mark.parametrize("failing", ["a", "b"])
def test_a_placed_request_moves_where_its_server_fails(failing: str) -> None:
    brain = scheduler(*FLEET, policy=FineInferRoundRobin())
    brain.submit(request("r0", requirement=PATIENT), 0.2)
    for at_s in (0.3, 0.4):
        brain.observe(Health(server_id=failing, healthy=False, measured_at_s=at_s), at_s)

    assert {"r0"} == set(places := _places(brain.wake(1.2)))
    assert failing != places["r0"]


def _places(actions: Sequence[Action]) -> dict[str, str]:
    return {action.request_id: action.server_id for action in actions if isinstance(action, Dispatch)}
