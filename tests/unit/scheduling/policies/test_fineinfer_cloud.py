"""Deferred continuous batching, in the cloud: when a batch starts, who joins it, who is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from perllm.domain.action import Action, Dispatch
from perllm.domain.request import Requirement
from perllm.domain.server import Tier
from perllm.scheduling.policies.fineinfer_cloud import FineInferCloud
from perllm.scheduling.scheduler import Scheduler
from tests.unit.scheduling.builders import CHAT, CLOUD, EDGE, completed, dispatch_of, request, scheduler

PATIENT = Requirement(total_s=60.0)
ROOMY = replace(CLOUD, server_id="roomy")


def gone(actions: Sequence[Action]) -> list[str]:
    """Return the requests that were sent."""
    return [action.request_id for action in actions if isinstance(action, Dispatch)]


def submit(brain: Scheduler, name: str, now_s: float, requirement: Requirement = PATIENT) -> list[str]:
    return gone(brain.submit(request(name, requirement=requirement), now_s))


def test_a_batch_starts_when_its_oldest_has_waited_for_the_bound() -> None:
    brain = scheduler(policy=FineInferCloud())

    assert [] == submit(brain, "r1", 0.0) + submit(brain, "r2", 0.7)
    assert pytest.approx(1.0) == brain.wake_at_s
    assert ["r1", "r2"] == gone(brain.wake(1.0))


def test_a_batch_starts_when_it_is_full() -> None:
    brain = scheduler(policy=FineInferCloud(cap=3))

    assert [] == submit(brain, "r1", 0.0) + submit(brain, "r2", 0.1)
    assert ["r3", "r1", "r2"] == submit(brain, "r3", 0.2)


def test_the_cap_is_the_engines_slots_unless_told() -> None:
    brain = scheduler(EDGE, replace(CLOUD, slots=2), policy=FineInferCloud())

    assert [] == submit(brain, "r1", 0.0)
    assert ["r2", "r1"] == submit(brain, "r2", 0.1)


def test_nobody_waits_for_longer_than_the_least_slack_among_them() -> None:
    brain = scheduler(policy=FineInferCloud())
    submit(brain, "r1", 0.0)
    submit(brain, "hasty", 0.1, Requirement(total_s=0.5))

    at_s = brain.wake_at_s
    assert at_s is not None
    assert 0.1 < at_s < 0.5
    assert ["r1", "hasty"] == sorted(gone(brain.wake(at_s)), reverse=True)


def test_whoever_has_no_slack_starts_the_batch_at_once() -> None:
    brain = scheduler(policy=FineInferCloud())
    submit(brain, "r1", 0.0)

    assert ["hopeless", "r1"] == submit(brain, "hopeless", 0.1, Requirement(total_s=0.01))


def test_whoever_comes_while_the_batch_runs_joins_at_once() -> None:
    brain = scheduler(policy=FineInferCloud(cap=1))
    submit(brain, "r1", 0.0)

    assert ["r2"] == submit(brain, "r2", 0.1)


def test_without_joining_the_next_batch_gathers_until_the_last_has_ended() -> None:
    brain = scheduler(policy=FineInferCloud(cap=2, join=False))
    first = brain.submit(request("r1", requirement=PATIENT), 0.0)
    second = brain.submit(request("r2", requirement=PATIENT), 0.0)
    assert [] == list(first)
    assert [] == submit(brain, "r3", 0.1) + submit(brain, "r4", 0.2)

    assert [] == gone(brain.close("r1#1", completed(), 5.0))
    assert {"r3", "r4"} == set(gone(brain.close("r2#1", completed(), 6.0)))
    assert ["r2", "r1"] == gone(second)


def test_whoever_leaves_while_waiting_is_not_counted() -> None:
    brain = scheduler(policy=FineInferCloud(cap=2))
    submit(brain, "r1", 0.0)
    brain.cancel("r1", 0.1)

    assert [] == submit(brain, "r2", 0.2)
    assert pytest.approx(1.2) == brain.wake_at_s


def test_each_cloud_server_gathers_its_own_batch() -> None:
    brain = scheduler(CLOUD, ROOMY, policy=FineInferCloud(cap=2))
    assert [] == submit(brain, "r1", 0.0) + submit(brain, "r2", 0.0)

    sent = brain.submit(request("r3", requirement=PATIENT), 0.1)

    servers = {action.request_id: action.server_id for action in sent if isinstance(action, Dispatch)}
    assert 2 == len(servers)
    assert 1 == len(set(servers.values()))


def test_a_batch_that_never_gathers_does_as_cloud_only() -> None:
    private = replace(CHAT, name="private", tiers=frozenset({Tier.EDGE}))
    brain = scheduler(EDGE, CLOUD, services=[CHAT, private], policy=FineInferCloud(deferral_s=0.0))

    assert "cloud" == dispatch_of(brain.submit(request("r1"), 0.0)).server_id
    assert "edge" == dispatch_of(brain.submit(request("r2", service="private"), 0.0)).server_id
