"""Episodes in the simulator, by an actor that knows nothing yet."""

from __future__ import annotations

import numpy as np
import pytest

from perllm.experiments.training import worlds
from perllm.experiments.training.episodes import LEAST_REWARD, PENALTY, Drawing, episode
from perllm.scheduling.neural.arrays import layers_of
from perllm.scheduling.neural.diffusion import DiffusionActor
from perllm.scheduling.neural.seats import STATES
from perllm.scheduling.policy import Evident, Lesson
from perllm.scheduling.scheduler import Scheduler
from tests.unit.scheduling.builders import CHAT, CLOUD, EDGE, completed, dispatch_of, failed, request

ACTOR = DiffusionActor(layers_of("agod-scratch"))


def drawing(seed: int = 0) -> tuple[Drawing, Scheduler]:
    policy = Drawing(ACTOR, np.random.default_rng(seed))
    return policy, Scheduler(servers=(EDGE, CLOUD), services=[CHAT], policy=policy, rng=np.random.default_rng(0))


def test_a_drawn_world_is_served_to_its_end_and_every_decision_is_remembered() -> None:
    world = worlds.drawn(np.random.default_rng(5), 60)

    steps = episode(world, 7, ACTOR)

    assert 60 == len(steps)
    assert all(len(step.state) == STATES and step.allowed[step.action] for step in steps)
    assert all(LEAST_REWARD <= step.reward < 1.0 for step in steps)
    assert len({step.action for step in steps}) > 1


def test_an_episode_can_be_repeated() -> None:
    world = worlds.drawn(np.random.default_rng(5), 30)

    assert episode(world, 7, ACTOR) == episode(world, 7, ACTOR)


def test_worlds_differ() -> None:
    rng = np.random.default_rng(0)
    drawn = [worlds.drawn(rng, 10) for _ in range(6)]

    assert 6 == len({world.workload.rate_per_s for world in drawn})
    assert len({len(world.servers) for world in drawn}) > 1


def test_rewards_come_late_and_stay_with_their_decision() -> None:
    policy, brain = drawing()
    first = dispatch_of(brain.submit(request("r1"), 0.0))
    second = dispatch_of(brain.submit(request("r2"), 0.1))
    brain.close(second.attempt_id, completed(infer_j=0.0), 0.6)
    brain.close(first.attempt_id, completed(infer_j=200.0), 1.0)

    dear, cheap = policy.steps()

    assert pytest.approx(-2.0, abs=1.0) == dear.reward
    assert 0.0 <= cheap.reward <= 1.0


def test_breaking_a_requirement_costs_a_penalty() -> None:
    policy, brain = drawing()
    dispatch = dispatch_of(brain.submit(request("r1"), 0.0))
    brain.close(dispatch.attempt_id, completed(infer_j=0.0), 6.0)

    assert pytest.approx(-0.2 - PENALTY) == policy.steps()[0].reward


def test_a_failure_has_no_reward() -> None:
    policy, brain = drawing()
    dispatch = dispatch_of(brain.submit(request("r1"), 0.0))
    brain.close(dispatch.attempt_id, failed(retryable=False), 1.0)

    assert [] == policy.steps()


def test_a_lesson_of_nobody_known_is_no_news() -> None:
    policy, _ = drawing()
    policy.learn(
        Lesson(
            request_id="stranger", service="chat", server_id="edge", evident=Evident.FULLY, in_time=True, total_s=1.0,
            latency_s=1.0, requirement_s=None, transmit_j=0.0, infer_j=1.0, energy_ratio=None, free_slots_fraction=0.5,
            free_bandwidth_fraction=1.0, at_s=1.0,
        )
    )  # fmt: skip

    assert [] == policy.steps()
