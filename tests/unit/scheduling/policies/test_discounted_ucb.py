"""Discounted UCB against rounds worked by hand, and against the rule that it comes from."""

from __future__ import annotations

from math import inf, log, sqrt

import pytest

from perllm.scheduling.policies.cs_ucb_paper import CsUcbPaper
from perllm.scheduling.policies.discounted_ucb import DiscountedUcb
from tests.unit.scheduling.builders import request
from tests.unit.scheduling.policies.lessons import COLUMNS, play, rewarded


def test_each_decision_halves_what_went_before() -> None:
    """gamma 0.5: s0 was chosen twice (0.25 + 0.125), s1 once; each reward fades from when it is known."""
    scores = play(DiscountedUcb(gamma=0.5, delta=0.3), ("s0", 0.8), ("s0", 0.4), ("s1", 0.6))

    chosen, reach = 0.5 + 0.25, log(1.0 + 0.75 + 1.0)
    mean = (0.25 * 0.8 + 0.5 * 0.4) / chosen
    assert [
        pytest.approx(mean + 0.3 * sqrt(reach / chosen)),
        pytest.approx(0.6 + 0.3 * sqrt(reach / 1.0)),
    ] == scores


def test_without_a_discount_it_is_the_papers_rule() -> None:
    rounds = [("s0", 0.8), ("s1", 0.3), ("s0", 0.5), ("s1", 0.9), ("s1", 0.1)]

    paper = play(CsUcbPaper(), *rounds)
    assert [pytest.approx(score) for score in paper] == play(DiscountedUcb(gamma=1.0), *rounds)


def test_whoever_was_never_chosen_or_is_forgotten_comes_first() -> None:
    assert inf == play(DiscountedUcb(), ("s0", 0.8))[1]
    assert inf == play(DiscountedUcb(gamma=0.1), ("s1", 0.8), *[("s0", 0.8)] * 8)[1]


def test_services_forget_by_their_own_decisions() -> None:
    policy = DiscountedUcb(gamma=0.5)
    before = play(policy, ("s0", 0.8), ("s1", 0.8))
    for _ in range(9):
        policy.chose(request(service="other"), "s0", 0.0)

    assert before == list(policy.score(request(), COLUMNS, 0.0))


def test_a_reward_that_comes_late_counts_in_full_from_then_on() -> None:
    policy = DiscountedUcb(gamma=0.5, delta=0.0)
    for server_id in ("s0", "s0", "s0"):
        policy.chose(request(), server_id, 0.0)
    policy.learn(rewarded("s0", 0.9))

    assert pytest.approx(0.9) == policy.score(request(), COLUMNS, 0.0)[0]
