"""AGOD's own problem with six providers, and who is good at it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from perllm.experiments.training import toy
from perllm.scheduling.neural.arrays import ABOUT
from perllm.scheduling.neural.diffusion import DiffusionActor

# Written by `python -m perllm.experiments.training toy`, on other seeds than these.
TRAINED = Path(__file__).with_name("toy_actor.npz")
SEEDS = range(8)
TASKS = 300


def actor() -> DiffusionActor:
    with np.load(TRAINED) as stored:
        return DiffusionActor({name: stored[name] for name in stored.files if name != ABOUT})


def mean_reward(choose: toy.Choice, seed: int) -> float:
    return float(np.mean([step.reward for step in toy.play(choose, seed, TASKS)]))


def always(provider: int) -> toy.Choice:
    return lambda state: provider


def test_a_provider_with_room_is_worth_its_skill() -> None:
    assert toy.SKILL[3] == toy.Toy(np.random.default_rng(0)).act(3)


def test_too_much_crashes_a_provider_and_costs_what_its_tasks_still_had_to_do() -> None:
    steps = toy.play(always(1), 0, 50)
    crash = next(step for step in steps if step.reward < 0.0)

    # At most three tasks of 100 fit into 400, and none of them has all of its work left when a fourth arrives.
    assert -toy.PENALTY * 4 < crash.reward < -toy.PENALTY
    assert steps[steps.index(crash) + 1].reward == toy.SKILL[1]


def test_the_state_is_room_and_free_share_by_provider_then_the_task() -> None:
    state = toy.Toy(np.random.default_rng(0)).state()

    assert toy.STATES == len(state)
    assert [1.0, 1.0, 0.4, 1.0] == state[:4]
    assert all(0.0 < share <= 1.0 for share in state)


def test_most_free_goes_where_there_is_most_room() -> None:
    shares: Sequence[float] = [1.0, 0.3, 0.4, 1.0, 0.7, 0.2, 0.5, 0.6, 0.9, 0.1, 0.6, 0.5, 0.5, 0.5]

    assert 1 == toy.most_free(shares)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_trained_actor_beats_most_free(seed: int) -> None:
    trained = actor()

    assert mean_reward(lambda state: int(trained.scores(state).argmax()), seed) > mean_reward(toy.most_free, seed)
