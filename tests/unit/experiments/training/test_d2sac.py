"""The learner itself, where torch is installed (the extra `train`)."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from perllm.experiments.training.learning import Plan, trained
from perllm.experiments.training.transitions import Step
from perllm.scheduling.neural.diffusion import STEPS, DiffusionActor, softmax


def test_an_actor_learns_which_action_a_state_asks_for() -> None:
    """Action 0 is right where the state is above a half, action 1 below, action 2 would be best and is not allowed."""
    rng = np.random.default_rng(0)

    def play(actor: DiffusionActor, number: int) -> list[Step]:
        steps = []
        for state in rng.random(200):
            scores = actor.scores([state], rng.standard_normal((STEPS, 3)))
            action = int(rng.choice(2, p=softmax(scores[:2])))
            steps.append(Step([state], [True, True, False], action, float(action == (state < 0.5))))
        return steps

    plan = Plan(episodes=10, updates=80, states=1, actions=3, width=32)
    actor = DiffusionActor(trained(plan, play, lambda line: None).arrays())

    assert [0, 0, 1, 1] == [int(actor.scores([state])[:2].argmax()) for state in (0.9, 0.7, 0.3, 0.1)]
