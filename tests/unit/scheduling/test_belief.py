"""Beliefs: priors, means, forgetting."""

from __future__ import annotations

from math import exp, sqrt

import pytest

from perllm.scheduling.belief import Belief
from perllm.scheduling.learned import Evidence


def belief(**changes: float) -> Belief:
    """Return a belief in 1.0 +- 0.5 worth two observations."""
    return Belief(**({"mean": 1.0, "sd": 0.5, "weight": 2.0, "memory_s": 100.0, "memory_weight": 50.0} | changes))


def test_nothing_observed_leaves_the_prior() -> None:
    assert (1.0, 0.5) == (belief().mean, belief().sd)


def test_observations_weigh_against_the_prior() -> None:
    """Prior 2 x 1.0, then 4.0 and 7.0: mean 13 / 4; squares 2 x 1.25 + 16 + 49 = 67.5."""
    learner = belief()
    learner.learn(4.0, 0.0)
    learner.learn(7.0, 0.0)

    assert pytest.approx(3.25) == learner.mean
    assert pytest.approx(sqrt(67.5 / 4 - 3.25**2)) == learner.sd


def test_an_observation_fades_with_time() -> None:
    learner = belief()
    learner.learn(4.0, 0.0)
    learner.learn(4.0, 100.0)

    assert pytest.approx(1.0 + exp(-1.0)) == learner.weight


def test_a_busy_belief_follows_a_change_because_its_weight_is_bounded() -> None:
    learner = belief()
    for _ in range(1000):
        learner.learn(0.0, 1.0)
    for _ in range(150):
        learner.learn(10.0, 1.0)

    assert pytest.approx(50.0) == learner.weight
    assert learner.mean > 9.0


def test_evidence_adds_up_whatever_the_order() -> None:
    one = Evidence(weight=1.0, total=2.0, square=4.0, updated_at_s=5.0)
    other = Evidence(weight=3.0, total=1.0, square=9.0, updated_at_s=4.0)

    assert Evidence(weight=4.0, total=3.0, square=13.0, updated_at_s=5.0) == one + other == other + one


def test_absorbing_a_snapshot_gives_the_same_belief() -> None:
    learner, heir = belief(), belief()
    learner.learn(3.0, 2.0)

    heir.absorb(learner.snapshot())

    assert (learner.mean, learner.sd) == (heir.mean, heir.sd)
