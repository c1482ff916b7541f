"""By lot, evenly or by slots."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from perllm.scheduling.policies.random import Random
from tests.unit.scheduling.builders import request
from tests.unit.scheduling.policies.candidates import candidates

DRAWS = 4000


def test_without_weights_all_are_alike_so_that_the_scheduler_draws() -> None:
    assert [0.0, 0.0] == list(Random().score(request(), candidates([9.0, 1.0, 5.0], feasible=[0, 2]), 0.0))


def test_by_slots_a_server_with_three_times_the_slots_is_drawn_three_times_as_often() -> None:
    policy, case = Random(by_slots=True), candidates([1.0, 1.0], slots=[2, 6])
    policy.draw_from(np.random.default_rng(5))
    drawn: Counter[int] = Counter()
    for _ in range(DRAWS):
        scores = policy.score(request(), case, 0.0)
        drawn[scores.index(max(scores))] += 1

    # Five standard deviations of a binomial share.
    assert pytest.approx(0.75, abs=5 * (0.75 * 0.25 / DRAWS) ** 0.5) == drawn[1] / DRAWS
