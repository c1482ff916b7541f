"""The paper's CS-UCB to the letter: a stationary mean reward per (service, server), plus a bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, log, sqrt
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.learned import Evidence
from perllm.scheduling.policy import Evident, Lesson, Policy

# The paper publishes neither the weight of the constraints nor that of exploration; these are ours.
LAMBDA = 1.0
DELTA = 0.5
# The reward subtracts joules from a fraction, so joules need a scale, which the paper does not give. Ours: a request of
# some hundred tokens on the paper's machines costs from some 10 J (batched, cloud) to some 400 J (alone, CPU edge).
ENERGY_SCALE_J = 100.0


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
    first has ended an arm's mean counts as 0.
    """

    name: ClassVar[str] = "cs-ucb-paper"
    minds_time: ClassVar[bool] = False

    def __init__(self) -> None:
        self._arms: dict[str, dict[str, Arm]] = {}
        self._decisions = 0

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        """Return each server's index, mean reward + delta * sqrt(ln t / L) (eq. 6)."""
        arms, reach = self._arms.get(request.service, {}), log(self._decisions + 1.0)
        return [self._index(arms.get(candidates.servers[row].server_id), reach) for row in candidates.feasible]

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        self._decisions += 1
        self._arm(request.service, server_id).chosen += 1

    def learn(self, lesson: Lesson) -> None:
        if lesson.evident is Evident.NOT or lesson.infer_j is None:
            return
        arm, reward = self._arm(lesson.service, lesson.server_id), reward_of(lesson)
        arm.seen += 1.0
        arm.rewards += reward
        arm.squares += reward * reward

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
        return mean + DELTA * sqrt(reach / arm.chosen)

    def _arm(self, service: str, server_id: str) -> Arm:
        return self._arms.setdefault(service, {}).setdefault(server_id, Arm())


def reward_of(lesson: Lesson) -> float:
    """Return -E + lambda * f(y) (eq. 4), joules in units of `ENERGY_SCALE_J`."""
    spent_j = lesson.transmit_j + (lesson.infer_j or 0.0)
    return LAMBDA * satisfaction(lesson) - spent_j / ENERGY_SCALE_J


def satisfaction(lesson: Lesson) -> float:
    """Return f(y), the margin of the tightest constraint as a fraction of its limit (eq. 3): below 0 where broken."""
    margins = [lesson.free_slots_fraction, lesson.free_bandwidth_fraction]
    if lesson.requirement_s is not None:
        margins.append((lesson.requirement_s - lesson.latency_s) / lesson.requirement_s)
    return min(margins)
