"""The less loaded of two drawn."""

from __future__ import annotations

from collections import Counter
from math import inf

import numpy as np
import pytest

from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policies.power_of_two import PowerOfTwo
from tests.unit.scheduling.builders import request
from tests.unit.scheduling.policies.candidates import candidates

DRAWS = 3000


def picks(case: Candidates) -> Counter[int]:
    policy = PowerOfTwo()
    policy.draw_from(np.random.default_rng(2))
    picked: Counter[int] = Counter()
    for _ in range(DRAWS):
        scores = policy.score(request(), case, 0.0)
        assert 2 == sum(score > -inf for score in scores)
        picked[case.feasible[scores.index(max(scores))]] += 1
    return picked


def test_of_three_the_most_loaded_is_never_picked_and_the_least_loaded_in_two_draws_of_three() -> None:
    picked = picks(candidates([1.0] * 4, outstanding=[2, 0, 1, 9], feasible=[0, 1, 2]))

    assert {1, 2} == set(picked)
    assert pytest.approx(2 / 3, abs=5 * (2 / 9 / DRAWS) ** 0.5) == picked[1] / DRAWS


@pytest.mark.parametrize(("per_slot", "scores"), [(False, [-2.0, -3.0]), (True, [-1.0, -0.5])])
def test_of_two_the_less_loaded_wins_raw_or_per_slot(per_slot: bool, scores: list[float]) -> None:
    case = candidates([1.0, 1.0], outstanding=[2, 3], slots=[2, 6])

    assert scores == list(PowerOfTwo(per_slot=per_slot).score(request(), case, 0.0))


def test_where_only_one_can_serve_there_is_nothing_to_draw() -> None:
    assert [-4.0] == list(PowerOfTwo().score(request(), candidates([1.0, 1.0], outstanding=[4, 0], feasible=[0]), 0.0))
