"""PerLLM's own rule: least energy among servers that will be in time, with bounds on what is not yet known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, inf, log, sqrt
from typing import ClassVar

from perllm.domain.action import Outcome
from perllm.domain.request import Request
from perllm.domain.service import Service
from perllm.scheduling.belief import Belief
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.learned import Evidence
from perllm.scheduling.policy import Evident, Lesson, Policy
from perllm.scheduling.price import FIRST, Price

# Exploration weight, the paper's delta (its value is not published).
DELTA = 0.5
# An arm's own deviation from its server's prediction before anything was seen (log scale), and the trust in that.
ARM_SD = 0.2
ARM_WEIGHT = 1.0
# An arm forgets as the predictor does: an hour-old observation of a quiet service still counts a little.
ARM_MEMORY_S = 1800.0
ARM_MEMORY_WEIGHT = 200.0
FADE_EVERY_S = 60.0
# Where a snapshot keeps the prices, beside the arms of the services: no service is called nothing.
PRICES = ""
# What is usual of all requests follows the last hundred or so.
USUAL_WEIGHT = 0.01

# Looking a member up in its enumeration costs as much as three calls where that is done for every request.
_FULLY = Evident.FULLY


class Arm:
    """One (service, server) pair: how its joules compare with the prediction, and how many ends are still to come.

    The paper's index, mean + delta * sqrt(ln t / L) (eq. 6), on the logarithm of energy: its lower bound is
    `log_mean - width * delta * sqrt(ln t)`. L counts outstanding decisions too, so that a burst does not try one
    unknown server over and over before the first result is in.
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
        self.width = self.energy_log.sd / sqrt(tried)


UNTRIED = Arm()


class CsUcb(Policy):
    """Least joules at their lower bound, with lateness priced until each service has its share (the default).

    After the paper's CS-UCB: arms are (service, server) pairs, constraints filter, and the reward is -E + lambda * f.
    Here energy and the chance of being in time are predicted in the live state instead of averaged per arm, lambda is
    each service's own and follows the share that is in time, and a server is charged for those it would make late.

    `dial` prices lateness; without it servers below the asked-for confidence are ruled out (C1 as a filter). `harm`
    counts those who are being served, `bounds` explores by confidence bounds, `company` lets requests wait for others.
    `power` sends servers to sleep, `session` counts what conversations have left in servers' caches.
    """

    name: ClassVar[str] = "cs-ucb"

    def __init__(
        self,
        *,
        dial: bool = True,
        harm: bool = True,
        bounds: bool = True,
        company: bool = True,
        power: bool = True,
        session: bool = True,
    ) -> None:
        self.minds_time = not dial
        self.weighs_lateness = dial
        self.gathers = company
        self.sleeps = power
        self.recalls = session
        self._harm = harm
        self._delta = DELTA if bounds else 0.0
        self._prices: dict[str, Price] = {}
        self._price_of_others = FIRST
        self._usual_j: float | None = None
        self._arms: dict[str, dict[str, Arm]] = {}
        self._decisions = 1
        self._fade_at_s = 0.0

    def meet(self, services: Sequence[Service]) -> None:
        self._prices = {
            service.name: self._prices.get(service.name) or Price(service.attainment) for service in services
        }

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        if now_s > self._fade_at_s:
            self._fade(now_s)
        reach = self._delta * sqrt(log(self._decisions + 1.0))
        arms = self._arms.get(request.service, {})
        energy_j, servers = candidates.energy_j, candidates.servers
        costs_j = []
        for row in candidates.feasible:
            arm = arms.get(servers[row].server_id, UNTRIED)
            costs_j.append(energy_j[row] * exp(arm.log_mean - arm.width * reach))
        if not self.weighs_lateness:
            return [-cost_j for cost_j in costs_j]
        return self._with_lateness(request, candidates, costs_j)

    def _with_lateness(self, request: Request, candidates: Candidates, costs_j: Sequence[float]) -> Sequence[float]:
        """Return minus the joules of each server and the price of the requests it would make late.

        Who will be late anyway should not be so for long: every requirement's length beyond it costs a usual request.
        """
        if self._usual_j is None:
            self._usual_j = min(costs_j)
        price, limit_s = self._prices.get(request.service), request.requirement.total_s or inf
        own_j = self._usual_j * (FIRST if price is None else price.value)
        others_j = self._usual_j * self._price_of_others if self._harm else 0.0
        probability, harm, total_s = candidates.in_time_probability, candidates.harm, candidates.total_s
        return [
            -(
                cost_j
                + own_j * (1.0 - probability[row])
                + others_j * harm[row]
                + (self._usual_j * (total_s[row] / limit_s - 1.0) if total_s[row] > limit_s else 0.0)
            )
            for row, cost_j in zip(candidates.feasible, costs_j, strict=True)
        ]

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        self._decisions += 1
        arm = self._arm(request.service, server_id)
        arm.outstanding += 1
        arm.changed()

    def learn(self, lesson: Lesson) -> None:
        arm = self._arm(lesson.service, lesson.server_id)
        arm.outstanding -= 1
        if lesson.evident is _FULLY and lesson.energy_ratio is not None:
            arm.energy_log.learn(log(lesson.energy_ratio), lesson.at_s)
        arm.changed()
        if lesson.infer_j is not None and self._usual_j is not None and lesson.evident is _FULLY:
            self._usual_j += USUAL_WEIGHT * (lesson.infer_j + lesson.transmit_j - self._usual_j)

    def ended(self, outcome: Outcome) -> None:
        price = self._prices.get(outcome.service)
        if outcome.counted and price is not None:
            price.ended(in_time=outcome.in_time)
            self._price_of_others += USUAL_WEIGHT * (price.value - self._price_of_others)

    def snapshot(self) -> Mapping[str, Mapping[str, Evidence]]:
        learned = {
            service: {server_id: arm.energy_log.snapshot() for server_id, arm in arms.items()}
            for service, arms in self._arms.items()
        }
        learned[PRICES] = {service: price.snapshot() for service, price in self._prices.items()}
        return learned

    def absorb(self, arms: Mapping[str, Mapping[str, Evidence]]) -> None:
        for service, evidence in arms.get(PRICES, {}).items():
            if service in self._prices:
                self._prices[service].absorb(evidence)
        for service, servers in arms.items():
            if service == PRICES:
                continue
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
