"""Discounted UCB: the paper's index on rewards that fade, so that it can follow a world that changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum, inf, log, sqrt
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.learned import Evidence
from perllm.scheduling.policy import Lesson, Policy
from perllm.scheduling.reward import DELTA, ENERGY_SCALE_J, LAMBDA, check_scale, reward_of, teaches

# Ours, between the tuned 1 - sqrt(changes / decisions) / 4 (Garivier & Moulines) for one and for five changes in the
# 2,500 decisions that each of the paper's four services has in 10,000 requests.
GAMMA = 0.99
# An arm that has faded so far counts as never chosen.
FORGOTTEN = 1e-6


class Arm:
    """Discounted times chosen, rewards seen and their sum, as of the service's decision number `at`."""

    __slots__ = ("at", "chosen", "rewards", "seen")

    def __init__(self) -> None:
        self.at = 0
        self.chosen = 0.0
        self.seen = 0.0
        self.rewards = 0.0

    def fade(self, gamma: float, decision: int) -> None:
        """Discount everything by gamma for each decision since."""
        keep = gamma ** (decision - self.at)
        self.at = decision
        self.chosen *= keep
        self.seen *= keep
        self.rewards *= keep


class Arms:
    """The arms of one service and how many decisions it has had."""

    __slots__ = ("by_server", "decisions")

    def __init__(self) -> None:
        self.decisions = 0
        self.by_server: dict[str, Arm] = {}


class DiscountedUcb(Policy):
    """The paper's reward with what is old fading at every decision (Garivier & Moulines, arXiv 0805.3415).

    Arms are pairs of service and server. The discount counts decisions of the service, as in the source, not time.
    Adapted: choices count when they are made and rewards when they are known, both fading from then on; and the bound's
    factors are one `delta`, so that gamma = 1 is the paper's own rule.
    """

    name: ClassVar[str] = "discounted-ucb"
    minds_time = False

    def __init__(
        self,
        *,
        gamma: float = GAMMA,
        delta: float = DELTA,
        lambda_: float = LAMBDA,
        energy_scale_j: float = ENERGY_SCALE_J,
    ) -> None:
        if not 0.0 < gamma <= 1.0 or delta < 0.0:
            raise ValueError("gamma must be above 0 and at most 1, delta 0 or above")
        check_scale(energy_scale_j)
        self._gamma = gamma
        self._delta = delta
        self._lambda = lambda_
        self._energy_scale_j = energy_scale_j
        self._services: dict[str, Arms] = {}

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        """Return each server's index, mean reward + delta * sqrt(ln n / N), n and N discounted counts of choices."""
        arms = self._arms(request.service)
        for arm in arms.by_server.values():
            arm.fade(self._gamma, arms.decisions)
        reach = log(1.0 + fsum(arm.chosen for arm in arms.by_server.values()))
        return [
            self._index(arms.by_server.get(candidates.servers[row].server_id), reach) for row in candidates.feasible
        ]

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        arms = self._arms(request.service)
        arms.decisions += 1
        self._arm(arms, server_id).chosen += 1.0

    def learn(self, lesson: Lesson) -> None:
        if not teaches(lesson):
            return
        arm = self._arm(self._arms(lesson.service), lesson.server_id)
        arm.seen += 1.0
        arm.rewards += reward_of(lesson, self._lambda, self._energy_scale_j)

    def snapshot(self) -> Mapping[str, Mapping[str, Evidence]]:
        return {
            service: {
                server_id: Evidence(weight=arm.seen, total=arm.rewards, square=0.0, updated_at_s=0.0)
                for server_id, arm in arms.by_server.items()
            }
            for service, arms in self._services.items()
        }

    def absorb(self, arms: Mapping[str, Mapping[str, Evidence]]) -> None:
        for service, servers in arms.items():
            for server_id, evidence in servers.items():
                arm = self._arm(self._arms(service), server_id)
                arm.seen, arm.rewards = evidence.weight, evidence.total
                arm.chosen = max(arm.chosen, evidence.weight)

    def _index(self, arm: Arm | None, reach: float) -> float:
        if arm is None or arm.chosen < FORGOTTEN:
            return inf
        mean = arm.rewards / arm.seen if arm.seen else 0.0
        return mean + self._delta * sqrt(reach / arm.chosen)

    def _arms(self, service: str) -> Arms:
        return self._services.setdefault(service, Arms())

    def _arm(self, arms: Arms, server_id: str) -> Arm:
        arm = arms.by_server.setdefault(server_id, Arm())
        arm.fade(self._gamma, arms.decisions)
        return arm
