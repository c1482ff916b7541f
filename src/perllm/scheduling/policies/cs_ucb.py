"""PerLLM's own rule: least energy among servers that will be in time, with bounds on what is not yet known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log, sqrt
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.belief import Belief
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.learned import Evidence
from perllm.scheduling.policy import Evident, Lesson, Policy

# Exploration weight, the paper's delta (its value is not published).
DELTA = 0.5
# An arm's own deviation from its server's prediction before anything was seen (log scale), and the trust in that.
ARM_SD = 0.2
ARM_WEIGHT = 1.0
# An arm forgets as the predictor does: an hour-old observation of a quiet service still counts a little.
ARM_MEMORY_S = 1800.0
ARM_MEMORY_WEIGHT = 200.0
FADE_EVERY_S = 60.0


class Arm:
    """One (service, server) pair: how its joules compare with the prediction, and how many ends are still to come.

    The paper's index, mean + delta * sqrt(ln t / L) (eq. 6), on the logarithm of energy: its lower bound is
    `log_mean - width * sqrt(ln t)`. L counts outstanding decisions too, so that a burst does not try one unknown server
    over and over before the first result is in.
    """

    __slots__ = ("energy_log", "log_mean", "outstanding", "width")

    def __init__(self) -> None:
        self.outstanding = 0
        self.energy_log = Belief(
            mean=0.0, sd=ARM_SD, weight=ARM_WEIGHT, memory_s=ARM_MEMORY_S, memory_weight=ARM_MEMORY_WEIGHT
        )
        self.changed()

    def fade(self, now_s: float) -> None:
        """Forget as much as time has taken, so that a server that was dear once is tried again."""
        self.energy_log.fade(now_s)
        self.changed()

    def changed(self) -> None:
        """Recompute the bound after a decision or a result."""
        tried = self.energy_log.weight + ARM_WEIGHT + self.outstanding
        self.log_mean = self.energy_log.mean
        self.width = DELTA * self.energy_log.sd / sqrt(tried)


UNTRIED = Arm()


class CsUcb(Policy):
    """Least energy at its lower confidence bound among servers in time with the asked-for confidence (the default).

    After the paper's CS-UCB: arms are (service, server) pairs and constraints filter before scores count. Here they are
    judged on physical quantities in the live state instead of on a stationary mean reward per arm.
    """

    name: ClassVar[str] = "cs-ucb"

    def __init__(self, *, power: bool = True) -> None:
        self.sleeps = power
        self._arms: dict[str, dict[str, Arm]] = {}
        self._decisions = 1
        self._fade_at_s = 0.0

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        if now_s > self._fade_at_s:
            self._fade(now_s)
        reach = sqrt(log(self._decisions + 1.0))
        arms = self._arms.get(request.service, {})
        energy_j, servers = candidates.energy_j, candidates.servers
        scores = []
        for row in candidates.feasible:
            arm = arms.get(servers[row].server_id, UNTRIED)
            scores.append(-energy_j[row] * exp(arm.log_mean - arm.width * reach))
        return scores

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        self._decisions += 1
        arm = self._arm(request.service, server_id)
        arm.outstanding += 1
        arm.changed()

    def learn(self, lesson: Lesson) -> None:
        arm = self._arm(lesson.service, lesson.server_id)
        arm.outstanding -= 1
        if lesson.evident is Evident.FULLY and lesson.energy_ratio is not None:
            arm.energy_log.learn(log(lesson.energy_ratio), lesson.at_s)
        arm.changed()

    def snapshot(self) -> Mapping[str, Mapping[str, Evidence]]:
        return {
            service: {server_id: arm.energy_log.snapshot() for server_id, arm in arms.items()}
            for service, arms in self._arms.items()
        }

    def absorb(self, arms: Mapping[str, Mapping[str, Evidence]]) -> None:
        for service, servers in arms.items():
            for server_id, evidence in servers.items():
                arm = self._arm(service, server_id)
                arm.energy_log.absorb(evidence)
                arm.changed()

    def _fade(self, now_s: float) -> None:
        self._fade_at_s = now_s + FADE_EVERY_S
        for servers in self._arms.values():
            for arm in servers.values():
                arm.fade(now_s)

    def _arm(self, service: str, server_id: str) -> Arm:
        arms = self._arms.setdefault(service, {})
        arm = arms.get(server_id)
        if arm is None:
            arm = arms[server_id] = Arm()
        return arm
