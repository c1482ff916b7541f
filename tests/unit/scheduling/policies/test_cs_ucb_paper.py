"""The paper's rule against rounds worked by hand."""

from __future__ import annotations

from math import inf, log, sqrt

import pytest
from msgspec.structs import replace

from perllm.domain.action import Dispatch
from perllm.scheduling.policies.cs_ucb_paper import CsUcbPaper
from perllm.scheduling.policy import Evident, Lesson
from tests.unit.scheduling.builders import dispatch_of, request, scheduler
from tests.unit.scheduling.policies.candidates import candidates
from tests.unit.scheduling.policies.lessons import GOOD, rewarded


def taught(policy: CsUcbPaper | None = None, **lessons: list[Lesson]) -> CsUcbPaper:
    """Return a policy that has chosen each server as often as it has lessons of it."""
    policy = policy or CsUcbPaper()
    for server_id, told in lessons.items():
        for lesson in told:
            policy.chose(request(), server_id, 0.0)
            policy.learn(replace(lesson, server_id=server_id))
    return policy


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


def test_settings_weigh_margin_exploration_and_joules() -> None:
    """0.25 * 0.5 - 50 J / 200 J, and a bound of 0.1 * sqrt(ln 2 / 1)."""
    policy = taught(CsUcbPaper(lambda_=0.25, delta=0.1, energy_scale_j=200.0), s0=[GOOD])

    (score,) = policy.score(request(), candidates([1.0]), 0.0)

    assert pytest.approx(0.125 - 0.25 + 0.1 * sqrt(log(2.0))) == score


def test_violations_weigh_in_the_regret_and_in_no_choice() -> None:
    """Rewards 0.5, and -0.5 - 0.5 for one that took 6 of 4 s: a mean best of 0.5 foregone by 1.5, violated by 0.5."""
    told = {"s0": [rewarded("s0", 0.5)], "s1": [replace(GOOD, latency_s=6.0)]}
    mild, strict = taught(CsUcbPaper(theta=0.0), **told), taught(CsUcbPaper(theta=4.0), **told)

    assert pytest.approx(1.5) == mild.regret()
    assert pytest.approx(1.5 + 4.0 * 0.5) == strict.regret()
    columns = candidates([1.0, 1.0])
    assert mild.score(request(), columns, 0.0) == strict.score(request(), columns, 0.0)


def test_requests_wait_for_the_end_of_the_slot_they_arrive_in() -> None:
    brain = scheduler(policy=CsUcbPaper(slot_s=0.5))

    assert [] == list(brain.submit(request("r1"), 0.6))
    assert [] == list(brain.submit(request("r2"), 0.9))
    assert pytest.approx(1.0) == brain.wake_at_s
    assert ["r1", "r2"] == [action.request_id for action in brain.wake(1.0) if isinstance(action, Dispatch)]


def test_without_slots_requests_are_decided_at_once() -> None:
    dispatch_of(scheduler(policy=CsUcbPaper(slot_s=0.0)).submit(request(), 0.6))


def test_a_caller_that_cannot_wait_gets_no_slot() -> None:
    brain = scheduler(policy=CsUcbPaper(slot_s=0.5))

    dispatch_of(brain.submit(request(hold_until_s=0.6), 0.6))
