"""The paper's CS-UCB to the letter: a stationary mean reward per (service, server), plus a bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, log, sqrt
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.learned import Evidence
from perllm.scheduling.policy import Lesson, Policy
from perllm.scheduling.reward import DELTA, ENERGY_SCALE_J, LAMBDA, check_scale, reward_of, satisfaction, teaches
from perllm.scheduling.slots import slot_end_s

# The weight of violations in the regret, which the paper does not publish either.
THETA = 1.0


class Arm:
    """What choosing one server for one service has brought: times chosen, rewards seen, their sum and squares."""

    __slots__ = ("chosen", "rewards", "seen", "squares")

    def __init__(self) -> None:
        self.chosen = 0
        self.seen = 0.0
        self.rewards = 0.0
        self.squares = 0.0


class CsUcbPaper(Policy):
    """CS-UCB as published (arXiv 2405.14636, eq. 3, 4 and 6), for comparison; `cs-ucb` is what became of it here.

    Arms are pairs of service and server. C2 to C4 filter; C1 enters the reward alone, through the margin of the
    tightest constraint. An arm that was never chosen comes first; rewards are known when answers end, and until the
    first has ended an arm's mean counts as 0. With `slot_s` above 0, requests wait for the end of the time slot they
    arrive in. `theta` weighs violations in the regret alone: it moves no choice.
    """

    name: ClassVar[str] = "cs-ucb-paper"
    minds_time = False

    def __init__(
        self,
        *,
        lambda_: float = LAMBDA,
        delta: float = DELTA,
        theta: float = THETA,
        energy_scale_j: float = ENERGY_SCALE_J,
        slot_s: float = 0.0,
    ) -> None:
        if delta < 0.0 or slot_s < 0.0:
            raise ValueError("delta and slot_s must be 0 or above")
        check_scale(energy_scale_j)
        self._lambda = lambda_
        self._delta = delta
        self._theta = theta
        self._energy_scale_j = energy_scale_j
        self._slot_s = slot_s
        self._arms: dict[str, dict[str, Arm]] = {}
        self._decisions = 0
        self._violation = 0.0

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        """Return each server's index, mean reward + delta * sqrt(ln t / L) (eq. 6)."""
        arms, reach = self._arms.get(request.service, {}), log(self._decisions + 1.0)
        return [self._index(arms.get(candidates.servers[row].server_id), reach) for row in candidates.feasible]

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        self._decisions += 1
        self._arm(request.service, server_id).chosen += 1

    def defers(
        self, request: Request, candidates: Candidates, row: int, arrived_at_s: float, now_s: float
    ) -> float | None:
        return slot_end_s(self._slot_s, arrived_at_s, now_s)

    def learn(self, lesson: Lesson) -> None:
        if not teaches(lesson):
            return
        self._violation += max(0.0, -satisfaction(lesson))
        arm, reward = self._arm(lesson.service, lesson.server_id), reward_of(lesson, self._lambda, self._energy_scale_j)
        arm.seen += 1.0
        arm.rewards += reward
        arm.squares += reward * reward

    def regret(self) -> float:
        """Return Reg(T) = sum of (r* - r) + theta * P(t), as far as it can be known afterwards.

        r* is the mean reward of each service's best arm so far; P adds up by how much constraints were broken, as
        fractions of their limits.
        """
        missed = sum(
            sum(arm.seen for arm in seen) * max(arm.rewards / arm.seen for arm in seen)
            - sum(arm.rewards for arm in seen)
            for seen in ([arm for arm in arms.values() if arm.seen] for arms in self._arms.values())
            if seen
        )
        return missed + self._theta * self._violation

    def snapshot(self) -> Mapping[str, Mapping[str, Evidence]]:
        return {
            service: {
                server_id: Evidence(weight=arm.seen, total=arm.rewards, square=arm.squares, updated_at_s=0.0)
                for server_id, arm in arms.items()
            }
            for service, arms in self._arms.items()
        }

    def absorb(self, arms: Mapping[str, Mapping[str, Evidence]]) -> None:
        for service, servers in arms.items():
            for server_id, evidence in servers.items():
                arm = self._arm(service, server_id)
                arm.seen, arm.rewards, arm.squares = evidence.weight, evidence.total, evidence.square
                arm.chosen = max(arm.chosen, round(evidence.weight))
                self._decisions += arm.chosen

    def _index(self, arm: Arm | None, reach: float) -> float:
        if arm is None or arm.chosen == 0:
            return inf
        mean = arm.rewards / arm.seen if arm.seen else 0.0
        return mean + self._delta * sqrt(reach / arm.chosen)

    def _arm(self, service: str, server_id: str) -> Arm:
        return self._arms.setdefault(service, {}).setdefault(server_id, Arm())
