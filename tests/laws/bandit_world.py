"""A world of servers with rewards of their own, for policies that learn from rewards: no queues, no joules, no time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from perllm.scheduling.policy import Lesson, Policy
from tests.unit.scheduling.builders import request
from tests.unit.scheduling.policies.candidates import candidates
from tests.unit.scheduling.policies.lessons import rewarded

# Six servers, as in the paper's fleet.
MEANS = (0.4, 0.7, 0.6, 0.9, 0.5, 0.4)
NOISE_SD = 0.1


class BanditWorld:
    """Plays a policy; each reward is told `delay` decisions after its own."""

    def __init__(self, policy: Policy, *, seed: int = 0, delay: int = 0) -> None:
        self._policy = policy
        self._rng = np.random.default_rng(seed)
        self._delay = delay
        self._untold: deque[Lesson] = deque()
        self._columns = candidates([1.0] * len(MEANS))
        self._plays = 0

    def play(self, plays: int, means: Sequence[float] = MEANS) -> list[int]:
        """Return the servers chosen, ties going to the first."""
        noise = self._rng.normal(0.0, NOISE_SD, plays)
        return [self._play(means, float(noise[play])) for play in range(plays)]

    def _play(self, means: Sequence[float], noise: float) -> int:
        self._plays += 1
        asked = request(f"r{self._plays}")
        scores = self._policy.score(asked, self._columns, 0.0)
        row = max(range(len(scores)), key=scores.__getitem__)
        self._policy.chose(asked, f"s{row}", 0.0)
        self._untold.append(rewarded(f"s{row}", means[row] + noise, request_id=asked.request_id))
        if len(self._untold) > self._delay:
            self._policy.learn(self._untold.popleft())
        return row


def regret(chosen: Sequence[int], means: Sequence[float] = MEANS) -> np.ndarray:
    """Return what was foregone up to each play, in expectation."""
    return np.cumsum(max(means) - np.asarray(means)[list(chosen)])
