"""What a learner remembers of an episode."""

from __future__ import annotations

import numpy as np
import pytest

from perllm.experiments.training.transitions import Replay, Step, transitions_of


def steps(*rewards: float) -> list[Step]:
    return [Step([float(number)], [True, False], 0, reward) for number, reward in enumerate(rewards)]


def test_rewards_of_three_steps_are_added_up_at_a_discount() -> None:
    gain = transitions_of(steps(1.0, 2.0, 3.0, 4.0, 5.0)).gain

    assert pytest.approx([1 + 0.95 * 2 + 0.95**2 * 3, 2 + 0.95 * 3 + 0.95**2 * 4]) == gain[:2]
    assert pytest.approx([4 + 0.95 * 5, 5.0]) == gain[3:]


def test_rewards_may_count_from_their_mean() -> None:
    gain = transitions_of(steps(1.0, 2.0, 3.0, 4.0), origin=2.5).gain

    assert pytest.approx([-1.5 - 0.95 * 0.5 + 0.95**2 * 0.5, -0.5 + 0.95 * 0.5 + 0.95**2 * 1.5]) == gain[:2]


def test_the_state_three_steps_later_stands_for_the_rest_and_nothing_stands_for_the_end() -> None:
    batch = transitions_of(steps(0.0, 0.0, 0.0, 0.0, 0.0))

    assert [3.0, 4.0] == batch.later_state[:2, 0].tolist()
    assert pytest.approx([0.95**3, 0.95**3, 0.0, 0.0, 0.0]) == batch.kept


def test_the_oldest_episodes_are_forgotten() -> None:
    replay = Replay(capacity=6)
    for reward in (1.0, 2.0, 3.0):
        replay.add(transitions_of(steps(reward, reward, reward)))

    drawn = replay.sample(200, np.random.default_rng(0)).gain

    assert 6 == len(set(drawn.tolist()))
    assert drawn.min() == 2.0


def test_nothing_can_be_drawn_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Replay().sample(1, np.random.default_rng(0))
