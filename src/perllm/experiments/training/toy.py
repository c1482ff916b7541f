"""AGOD's own problem, small: tasks that take of a provider's room for a while, providers of unknown skill, crashes.

Six providers of equal quality for nobody: what a task is worth depends on who serves it, which no state tells. Giving a
provider more than it has room for crashes it: everything it was doing is lost, at the published code's penalty of 2
for the task and 2 for each unfinished one's share still to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from perllm.experiments.training.transitions import Step

PROVIDERS: Final = 6
STATES: Final = 2 * PROVIDERS + 2
# The paper's ranges of demand and capacity, in denoising steps, for its twenty providers' loads.
CAPACITY: Final = (1000.0, 400.0, 700.0, 500.0, 900.0, 600.0)
LEAST_DEMAND, MOST_DEMAND = 100.0, 250.0
LEAST_RUN_S, MOST_RUN_S = 5.0, 15.0
# What the result of each provider is worth: the roomiest are not the ablest.
SKILL: Final = (0.1, 0.9, 0.5, 1.0, 0.2, 0.8)
PENALTY: Final = 2.0
# At this rate the able providers alone have not quite enough room.
RATE_PER_S: Final = 0.7

Choice = Callable[[Sequence[float]], int]


class Toy:
    """Providers and what runs on them: (ends at, began at, demand) of each task."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._now_s = 0.0
        self._running: list[list[tuple[float, float, float]]] = [[] for _ in range(PROVIDERS)]
        self._arrive()

    def state(self) -> list[float]:
        """Return each provider's room and free share, then the task's demand and run time, all within (0, 1)."""
        state = []
        for provider in range(PROVIDERS):
            state += [CAPACITY[provider] / max(CAPACITY), self._free(provider) / CAPACITY[provider]]
        return [*state, self._demand / MOST_DEMAND, self._run_s / MOST_RUN_S]

    def act(self, provider: int) -> float:
        """Give the task to a provider, wait for the next one, and return the reward."""
        if self._demand > self._free(provider):
            reward = -PENALTY - sum(PENALTY * self._to_do(task) for task in self._running[provider])
            self._running[provider] = []
        else:
            self._running[provider].append((self._now_s + self._run_s, self._now_s, self._demand))
            reward = SKILL[provider]
        self._arrive()
        return reward

    def _arrive(self) -> None:
        self._now_s += float(self._rng.exponential(1.0 / RATE_PER_S))
        self._demand = float(self._rng.uniform(LEAST_DEMAND, MOST_DEMAND))
        self._run_s = float(self._rng.uniform(LEAST_RUN_S, MOST_RUN_S))
        self._running = [[task for task in tasks if task[0] > self._now_s] for tasks in self._running]

    def _free(self, provider: int) -> float:
        return CAPACITY[provider] - sum(demand for _, _, demand in self._running[provider])

    def _to_do(self, task: tuple[float, float, float]) -> float:
        ends_at_s, began_at_s, _ = task
        return (ends_at_s - self._now_s) / (ends_at_s - began_at_s)


def play(choose: Choice, seed: int, tasks: int) -> list[Step]:
    """Return the decisions of one episode."""
    toy, steps = Toy(np.random.default_rng(seed)), []
    for _ in range(tasks):
        state = toy.state()
        action = choose(state)
        steps.append(Step(state, [True] * PROVIDERS, action, toy.act(action)))
    return steps


def most_free(state: Sequence[float]) -> int:
    """Choose the provider with the most room left: the paper's crash-avoiding rule."""
    room = [state[2 * provider] * state[2 * provider + 1] for provider in range(PROVIDERS)]
    return room.index(max(room))
