"""The loop: an episode with the actor as it is, then some updates on everything remembered so far, and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from perllm.experiments.training.d2sac import BATCH, WIDTH, Actor, D2sac
from perllm.experiments.training.transitions import Replay, Step, transitions_of
from perllm.scheduling.neural.diffusion import DiffusionActor

_REPORTS: Final = 20

# Plays one numbered episode.
Play = Callable[[DiffusionActor, int], Sequence[Step]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to train, and on networks of which size.

    `centred`: rewards count from their episode's mean. Where every episode is another world, most of what a state is
    worth depends on the world and not on what is done in it; without the mean, critics learn little else.
    """

    episodes: int
    updates: int
    states: int
    actions: int
    width: int = WIDTH
    centred: bool = False
    seed: int = 0


def trained(plan: Plan, play: Play, tell: Callable[[str], None]) -> Actor:
    """Train an actor from random weights; `tell` hears now and then how it goes."""
    torch.manual_seed(plan.seed)
    torch.set_num_threads(1)
    rng, replay = np.random.default_rng(plan.seed), Replay()
    actor = Actor(plan.states, plan.actions, plan.width)
    networks = D2sac(actor, plan.states, plan.width)
    rewards: list[float] = []
    for number in range(plan.episodes):
        steps = play(DiffusionActor(actor.arrays()), number)
        mean = float(np.mean([step.reward for step in steps]))
        replay.add(transitions_of(steps, origin=mean if plan.centred else 0.0))
        rewards.append(mean)
        losses = [networks.update(replay.sample(BATCH, rng)) for _ in range(plan.updates)]
        every = max(plan.episodes // _REPORTS, 1)
        if (number + 1) % every == 0:
            critic, mine = np.mean(losses, axis=0)
            reward = np.mean(rewards[-every:])
            tell(f"episode {number + 1}: reward {reward:.3f}, critic loss {critic:.3f}, actor loss {mine:.3f}")
    return actor
