"""The rules operators use."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.domain.server import Tier
from perllm.errors import ConfigError
from perllm.scheduling.policies import REGISTRY, make_policy
from tests.unit.scheduling.builders import CHAT, CLOUD, EDGE, dispatch_of, request, scheduler
from tests.unit.scheduling.policies.candidates import candidates


def test_energy_greedy_prefers_the_least_joules() -> None:
    scores = make_policy("energy-greedy").score(request(), candidates([3.0, 1.0, 2.0]), 0.0)

    assert [-3.0, -1.0, -2.0] == list(scores)


def test_least_outstanding_prefers_the_idlest_and_ignores_joules() -> None:
    case = candidates([1.0, 9.0], outstanding=[4, 2])

    assert [-4.0, -2.0] == list(make_policy("least-outstanding").score(request(), case, 0.0))


def test_round_robin_takes_each_server_in_turn() -> None:
    brain = scheduler(*(replace(EDGE, server_id=name) for name in "abc"), policy="round-robin")
    visited = [dispatch_of(brain.submit(request(f"r{n}"), 0.0)).server_id for n in range(9)]

    assert {"a", "b", "c"} == set(visited[:3])
    assert visited[:3] * 3 == visited


def test_cloud_only_leaves_edges_alone_unless_data_may_not_leave_them() -> None:
    private = replace(CHAT, name="private", tiers=frozenset({Tier.EDGE}))
    brain = scheduler(EDGE, CLOUD, services=[CHAT, private], policy="cloud-only")

    assert "cloud" == dispatch_of(brain.submit(request("r1"), 0.0)).server_id
    assert "edge" == dispatch_of(brain.submit(request("r2", service="private"), 0.0)).server_id


def test_scores_follow_the_order_of_the_feasible_rows() -> None:
    for name in REGISTRY:
        assert 1 == len(make_policy(name).score(request(), candidates([1.0, 2.0, 3.0], feasible=[2]), 0.0))


@pytest.mark.parametrize(
    "text",
    [
        "cs-ucb-paper:slot_s=-1", "cs-ucb-paper:delta=-1", "cs-ucb-paper:energy_scale_j=0", "discounted-ucb:gamma=0",
        "discounted-ucb:gamma=1.1", "sliding-window-ucb:window=0", "lin-ucb:gamma=2", "lin-ucb:alpha=-1",
        "sla-queue:v=-1", "drift-plus-penalty:v=-1", "fineinfer-cloud:deferral_s=-1", "fineinfer-rr:cap=-1",
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_refused_with_the_defaults(text: str) -> None:
    with pytest.raises(ConfigError, match="must be"):
        make_policy(text)


def test_an_unknown_policy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="round-robin"):
        make_policy("best")
