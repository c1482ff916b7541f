"""Members learn what there is to learn, and know where they have not looked."""

from __future__ import annotations

from math import log, nan

import numpy as np
import pytest

from perllm.scheduling.neural.ensemble import MEMBERS, Ensemble, Prediction, information_gain

LOOKED_AT = np.linspace(-1.0, 1.0, 21)


def features(x: float) -> np.ndarray:
    return np.array([x, 1.0])


def taught(cases: int, steps: int, seed: int = 0) -> Ensemble:
    """Return an ensemble that has seen y = 2 x - 0.5 with little noise, x between -1 and 1."""
    rng, ensemble = np.random.default_rng(seed + 100), Ensemble(2, 1, seed)
    for x in rng.uniform(-1.0, 1.0, cases):
        ensemble.remember(features(x), np.array([2.0 * x - 0.5 + 0.02 * rng.standard_normal()]))
    for _ in range(steps):
        ensemble.learn()
    return ensemble


def gain_at(ensemble: Ensemble, *places: float) -> float:
    return float(information_gain(ensemble.predict(np.stack([features(x) for x in places]))).mean())


def test_members_predict_means_and_variances_for_every_case_and_outcome() -> None:
    prediction = Ensemble(2, 3, 0).predict(np.zeros((4, 2)))

    assert (MEMBERS, 4, 3) == prediction.mean.shape == prediction.variance.shape
    assert np.exp(-5.0) < prediction.variance.min() <= prediction.variance.max() < np.exp(-1.0)


def test_an_ensemble_learns_a_simple_relation() -> None:
    ensemble = taught(cases=300, steps=1500)

    mean = ensemble.predict(np.stack([features(x) for x in LOOKED_AT])).mean.mean(axis=0)[:, 0]

    assert np.abs(mean - (2.0 * LOOKED_AT - 0.5)).max() < 0.15


def test_it_learns_how_far_outcomes_scatter() -> None:
    rng, ensemble = np.random.default_rng(1), Ensemble(1, 1, 0)
    for _ in range(500):
        ensemble.remember(np.zeros(1), 0.4 * rng.standard_normal(1))
    for _ in range(2000):
        ensemble.learn()

    assert pytest.approx(0.16, rel=0.3) == float(ensemble.predict(np.zeros((1, 1))).variance.mean())


def test_information_gain_is_the_entropy_of_the_mixture_less_that_of_members() -> None:
    mean = np.array([[[1.0]], [[3.0]]])
    variance = np.array([[[0.5]], [[2.0]]])

    # Mean variance 1.25, variance of means 1; the members' logarithms of variances cancel.
    assert pytest.approx(0.5 * log(2.25)) == information_gain(Prediction(mean, variance))[0]


def test_nothing_is_to_be_learned_where_members_agree() -> None:
    assert 0.0 == information_gain(Prediction(np.ones((3, 1, 2)), np.full((3, 1, 2), 0.1)))[0]


@pytest.mark.parametrize("seed", range(3))
def test_information_gain_falls_with_data(seed: int) -> None:
    gains = [gain_at(taught(cases, steps, seed), *LOOKED_AT) for cases, steps in ((1, 0), (30, 300), (300, 3000))]

    assert gains[0] > gains[1] > gains[2]
    assert gains[2] < 0.2 * gains[0]


def test_there_is_more_to_learn_where_nobody_has_looked() -> None:
    ensemble = taught(cases=300, steps=1500)

    assert gain_at(ensemble, 4.0, -4.0) > 5.0 * gain_at(ensemble, 0.5, -0.5)


def test_an_outcome_that_nobody_knows_teaches_nothing_of_itself() -> None:
    ensemble = Ensemble(1, 2, 0)
    for _ in range(50):
        ensemble.remember(np.ones(1), np.array([0.7, nan]))
    before = ensemble.predict(np.ones((1, 1))).mean[:, 0]
    for _ in range(300):
        ensemble.learn()
    after = ensemble.predict(np.ones((1, 1))).mean[:, 0]

    assert np.abs(after[:, 0] - 0.7).max() < 0.2
    assert np.isfinite(after).all()
    assert np.abs(before[:, 0] - 0.7).max() > 0.2


def test_the_same_seed_learns_the_same() -> None:
    once, again = (taught(50, 20, seed=4) for _ in range(2))

    assert gain_at(once, 0.3) == gain_at(again, 0.3)
