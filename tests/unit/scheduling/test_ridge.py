"""Ridge regression one observation at a time against a direct solve."""

from __future__ import annotations

import numpy as np
import pytest

from perllm.scheduling.ridge import RENEW_EVERY, Ridge

KEEP, RIDGE = 0.997, 1.0


def test_the_inverse_and_the_solution_hold_after_a_hundred_thousand_updates_with_forgetting() -> None:
    rng = np.random.default_rng(1)
    model = Ridge(2, ridge=RIDGE, keep=KEEP)
    gram, moment = RIDGE * np.eye(2), np.zeros(2)
    updates = 100_000 - 1  # not a multiple of RENEW_EVERY: the last inverses are all by Sherman-Morrison
    features = np.column_stack([np.ones(updates), rng.uniform(0, 0.01, updates)])
    rewards = features @ [0.5, 2.0] + rng.normal(0, 0.1, updates)

    for number, (x, y) in enumerate(zip(features.tolist(), rewards.tolist(), strict=True), start=1):
        model.observe(x, y)
        gram = KEEP * gram + np.outer(x, x)
        moment = KEEP * moment + y * np.asarray(x)
        if number % RENEW_EVERY == 0:
            gram += RIDGE * (1 - KEEP**RENEW_EVERY) * np.eye(2)

    assert np.abs(gram @ model.inverse - np.eye(2)).max() < 1e-8
    assert np.abs(np.linalg.solve(gram, moment) - model.coefficients()).max() < 1e-8


def test_one_observation_by_hand() -> None:
    """A = 1 + 2 * 2 = 5, b = 2 * 3 = 6."""
    model = Ridge(1, ridge=1.0)
    model.observe([2.0], 3.0)

    assert pytest.approx(1.2) == model.coefficients()[0]
    assert pytest.approx(2.4) == model.predict([2.0])
    assert pytest.approx(0.8) == model.variance([2.0])


def test_what_is_expected_moves_no_coefficient_and_narrows_the_bound() -> None:
    model = Ridge(2, ridge=1.0, keep=0.9)
    model.observe([1.0, 0.5], 2.0)
    before, wide = model.predict([0.3, 0.7]), model.variance([1.0, 0.2])
    mean = model.predict([1.0, 0.2])
    model.observe([1.0, 0.2], mean)

    assert model.variance([1.0, 0.2]) < wide
    assert pytest.approx(before, rel=0.05) == model.predict([0.3, 0.7])


def test_a_correction_counts_as_if_it_had_been_known_at_once() -> None:
    known, corrected = Ridge(2, ridge=1.0, keep=0.9), Ridge(2, ridge=1.0, keep=0.9)
    known.observe([1.0, 0.5], 3.0)
    known.observe([1.0, 1.5], 1.0)
    corrected.observe([1.0, 0.5], 0.4)
    corrected.observe([1.0, 1.5], 1.0)
    corrected.correct([1.0, 0.5], 3.0 - 0.4, 1)

    assert pytest.approx(known.coefficients()) == corrected.coefficients()


def test_a_direction_never_observed_keeps_its_prior() -> None:
    model = Ridge(2, ridge=RIDGE, keep=0.9)
    for _ in range(20 * RENEW_EVERY):
        model.observe([1.0, 0.0], 1.0)

    assert pytest.approx(1.0, rel=0.1) == model.variance([0.0, 1.0])
