"""Sliding-window UCB: the paper's index on the latest decisions and rewards alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from math import inf, log, sqrt
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.learned import Evidence
from perllm.scheduling.policy import Lesson, Policy
from perllm.scheduling.reward import DELTA, ENERGY_SCALE_J, LAMBDA, check_scale, reward_of, teaches

# Ours, near the tuned 2 * sqrt(T * ln T / changes) (Garivier & Moulines) for three changes in the 2,500 decisions that
# each of the paper's four services has in 10,000 requests: 161.
WINDOW = 160


class Window:
    """The latest choices and the latest rewards of one service, with their sums for each server."""

    __slots__ = ("choices", "chosen", "results", "rewards", "seen")

    def __init__(self) -> None:
        self.choices: deque[str] = deque()
        self.results: deque[tuple[str, float]] = deque()
        self.chosen: dict[str, int] = {}
        self.seen: dict[str, int] = {}
        self.rewards: dict[str, float] = {}

    def choose(self, server_id: str, length: int) -> None:
        """Take in a choice and drop the one that falls out of the window."""
        self.choices.append(server_id)
        self.chosen[server_id] = self.chosen.get(server_id, 0) + 1
        if len(self.choices) > length:
            self.chosen[self.choices.popleft()] -= 1

    def reward(self, server_id: str, reward: float, length: int) -> None:
        """Take in a reward and drop the one that falls out of the window."""
        self.results.append((server_id, reward))
        self.seen[server_id] = self.seen.get(server_id, 0) + 1
        self.rewards[server_id] = self.rewards.get(server_id, 0.0) + reward
        if len(self.results) > length:
            oldest, lost = self.results.popleft()
            self.seen[oldest] -= 1
            # Sums of floats drift by rounding: nothing seen is worth exactly nothing.
            self.rewards[oldest] = self.rewards[oldest] - lost if self.seen[oldest] else 0.0


class SlidingWindowUcb(Policy):
    """The paper's reward over a window of decisions of each service (Garivier & Moulines, arXiv 0805.3415).

    Adapted: rewards come late, so that choices and rewards have a window each, of the same length; and the bound's
    factors are one `delta`, so that an endless window is the paper's own rule.
    """

    name: ClassVar[str] = "sliding-window-ucb"
    minds_time = False

    def __init__(
        self,
        *,
        window: int = WINDOW,
        delta: float = DELTA,
        lambda_: float = LAMBDA,
        energy_scale_j: float = ENERGY_SCALE_J,
    ) -> None:
        if window < 1 or delta < 0.0:
            raise ValueError("window must be 1 or above, delta 0 or above")
        check_scale(energy_scale_j)
        self._window = window
        self._delta = delta
        self._lambda = lambda_
        self._energy_scale_j = energy_scale_j
        self._services: dict[str, Window] = {}

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        """Return each server's index, mean reward + delta * sqrt(ln min(t, window) / N), N choices in the window."""
        window = self._services.setdefault(request.service, Window())
        reach = log(1.0 + len(window.choices))
        return [self._index(window, candidates.servers[row].server_id, reach) for row in candidates.feasible]

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        self._services.setdefault(request.service, Window()).choose(server_id, self._window)

    def learn(self, lesson: Lesson) -> None:
        if teaches(lesson):
            reward = reward_of(lesson, self._lambda, self._energy_scale_j)
            self._services.setdefault(lesson.service, Window()).reward(lesson.server_id, reward, self._window)

    def snapshot(self) -> Mapping[str, Mapping[str, Evidence]]:
        return {
            service: {
                server_id: Evidence(weight=seen, total=window.rewards[server_id], square=0.0, updated_at_s=0.0)
                for server_id, seen in window.seen.items()
                if seen
            }
            for service, window in self._services.items()
        }

    def absorb(self, arms: Mapping[str, Mapping[str, Evidence]]) -> None:
        """Take each server's rewards as so many choices that brought their mean; their order is lost."""
        for service, servers in arms.items():
            window = self._services.setdefault(service, Window())
            for server_id, evidence in servers.items():
                for _ in range(round(evidence.weight)):
                    window.choose(server_id, self._window)
                    window.reward(server_id, evidence.total / evidence.weight, self._window)

    def _index(self, window: Window, server_id: str, reach: float) -> float:
        chosen = window.chosen.get(server_id, 0)
        if chosen == 0:
            return inf
        seen = window.seen.get(server_id, 0)
        mean = window.rewards[server_id] / seen if seen else 0.0
        return mean + self._delta * sqrt(reach / chosen)
