"""What both bandits that forget have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from perllm.scheduling.policies.discounted_ucb import DiscountedUcb
from perllm.scheduling.policies.sliding_window_ucb import SlidingWindowUcb
from perllm.scheduling.policy import Evident, Policy
from tests.unit.scheduling.builders import request
from tests.unit.scheduling.policies.lessons import COLUMNS, play, rewarded

FORGETTING: list[Callable[..., Policy]] = [DiscountedUcb, SlidingWindowUcb]


@pytest.mark.parametrize("made", FORGETTING)
def test_what_was_cancelled_teaches_nothing(made: Callable[..., Policy]) -> None:
    policy = made(delta=0.0)
    policy.chose(request(), "s0", 0.0)
    policy.learn(rewarded("s0", 0.9, evident=Evident.NOT))

    assert 0.0 == policy.score(request(), COLUMNS, 0.0)[0]


@pytest.mark.parametrize("made", FORGETTING)
def test_means_survive_a_restart(made: Callable[..., Policy]) -> None:
    policy, heir = made(delta=0.0), made(delta=0.0)
    before = play(policy, ("s0", 0.8), ("s0", 0.4), ("s1", 0.6))

    heir.absorb(policy.snapshot())

    after = heir.score(request(), COLUMNS, 0.0)
    assert [pytest.approx(score) for score in before] == list(after)
