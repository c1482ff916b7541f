"""Sliding-window UCB against rounds worked by hand, and against the rule that it comes from."""

from __future__ import annotations

from math import inf, log, sqrt

import pytest

from perllm.scheduling.policies.cs_ucb_paper import CsUcbPaper
from perllm.scheduling.policies.sliding_window_ucb import SlidingWindowUcb
from tests.unit.scheduling.policies.lessons import play


def test_only_the_window_counts() -> None:
    """Of four rounds the last three: s0 with 0.4, s1 with 0.6 and 0.2."""
    policy = SlidingWindowUcb(window=3, delta=0.3)

    scores = play(policy, ("s0", 0.8), ("s1", 0.6), ("s0", 0.4), ("s1", 0.2))

    assert [
        pytest.approx(0.4 + 0.3 * sqrt(log(4.0) / 1)),
        pytest.approx(0.4 + 0.3 * sqrt(log(4.0) / 2)),
    ] == scores


def test_an_endless_window_is_the_papers_rule() -> None:
    rounds = [("s0", 0.8), ("s1", 0.3), ("s0", 0.5), ("s1", 0.9), ("s1", 0.1)]

    paper = play(CsUcbPaper(), *rounds)
    assert [pytest.approx(score) for score in paper] == play(SlidingWindowUcb(window=100), *rounds)


def test_whoever_left_the_window_is_tried_again() -> None:
    assert inf == play(SlidingWindowUcb(window=2), ("s1", 0.9), ("s0", 0.1), ("s0", 0.1))[1]
