"""The paper's rule against rounds worked by hand."""

from __future__ import annotations

from math import inf, log, sqrt
from typing import Any

import pytest
from msgspec.structs import replace

from perllm.scheduling.policies.cs_ucb_paper import CsUcbPaper, reward_of, satisfaction
from perllm.scheduling.policy import Evident, Lesson
from tests.unit.scheduling.builders import request
from tests.unit.scheduling.policies.candidates import candidates

# 2 of 4 s are left, half of the slots and all of the link; 50 J.
GOOD = Lesson(
    service="chat", server_id="s0", evident=Evident.FULLY, in_time=True, total_s=2.0, latency_s=2.0, requirement_s=4.0,
    transmit_j=10.0, infer_j=40.0, energy_ratio=1.0, free_slots_fraction=0.5, free_bandwidth_fraction=1.0, at_s=1.0,
)  # fmt: skip


def taught(**lessons: list[Lesson]) -> CsUcbPaper:
    """Return a policy that has chosen each server as often as it has lessons of it."""
    policy = CsUcbPaper()
    for server_id, told in lessons.items():
        for lesson in told:
            policy.chose(request(), server_id, 0.0)
            policy.learn(replace(lesson, server_id=server_id))
    return policy


@pytest.mark.parametrize(
    ("changes", "margin"),
    [
        ({}, 0.5),
        ({"latency_s": 3.0}, 0.25),
        ({"latency_s": 6.0}, -0.5),
        ({"free_slots_fraction": 0.1}, 0.1),
        ({"free_bandwidth_fraction": 0.2}, 0.2),
        ({"requirement_s": None, "latency_s": 99.0}, 0.5),
    ],
)
def test_satisfaction_is_the_margin_of_the_tightest_constraint(changes: dict[str, Any], margin: float) -> None:
    assert margin == satisfaction(replace(GOOD, **changes))


def test_the_reward_trades_joules_for_margin() -> None:
    assert pytest.approx(0.5 - 0.5) == reward_of(GOOD)
    assert pytest.approx(-0.5 - 3.1) == reward_of(replace(GOOD, latency_s=6.0, infer_j=300.0))


def test_whoever_was_never_chosen_comes_first() -> None:
    assert [0.0 + 0.5 * sqrt(log(2.0)), inf] == list(taught(s0=[GOOD]).score(request(), candidates([1.0, 1.0]), 0.0))


def test_the_index_is_mean_reward_plus_a_bound_that_shrinks_with_choices() -> None:
    dear = replace(GOOD, infer_j=140.0)
    policy = taught(s0=[GOOD, dear, dear], s1=[dear])

    scores = policy.score(request(), candidates([1.0, 1.0]), 0.0)

    # Rewards 0, -1, -1 and -1; four decisions.
    assert [
        pytest.approx(-2 / 3 + 0.5 * sqrt(log(5.0) / 3)),
        pytest.approx(-1.0 + 0.5 * sqrt(log(5.0) / 1)),
    ] == list(scores)


def test_a_choice_whose_answer_is_out_counts_as_a_choice_and_as_no_reward() -> None:
    policy = taught(s0=[GOOD])
    policy.chose(request(), "s1", 0.0)

    assert pytest.approx(0.5 * sqrt(log(3.0))) == policy.score(request(), candidates([1.0, 1.0]), 0.0)[1]


def test_what_was_cancelled_or_has_no_joules_teaches_nothing() -> None:
    policy = taught(s0=[replace(GOOD, evident=Evident.NOT), replace(GOOD, infer_j=None)])

    assert 0.0 == policy.snapshot()["chat"]["s0"].weight


def test_a_snapshot_restores_the_arms() -> None:
    policy, heir = taught(s0=[GOOD, replace(GOOD, infer_j=140.0)]), CsUcbPaper()
    heir.absorb(policy.snapshot())

    assert policy.snapshot() == heir.snapshot()
    columns = candidates([1.0, 1.0])
    assert policy.score(request(), columns, 0.0) == heir.score(request(), columns, 0.0)
