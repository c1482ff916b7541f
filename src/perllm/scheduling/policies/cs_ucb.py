"""PerLLM's own rule: least energy among servers that will be in time, with bounds on what is not yet known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, inf, log, sqrt
from typing import ClassVar, cast

import numpy as np

from perllm.domain.action import Outcome
from perllm.domain.request import Request
from perllm.domain.service import Service
from perllm.scheduling.arm_columns import ArmColumns
from perllm.scheduling.belief import Belief
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.learned import Evidence
from perllm.scheduling.policy import WORTH, Evident, Lesson, Policy
from perllm.scheduling.virtual_queue import VirtualQueue

# Exploration weight, the paper's delta (its value is not published): declared watts are off by a fifth, not by factors,
# and more of it costs 5 % of the joules on sixty unequal machines.
DELTA = 0.15
# An arm's own deviation from its server's prediction before anything was seen (log scale), and the trust in that.
ARM_SD = 0.2
ARM_WEIGHT = 1.0
# An arm forgets as the predictor does: an hour-old observation of a quiet service still counts a little.
ARM_MEMORY_S = 1800.0
ARM_MEMORY_WEIGHT = 200.0
FADE_EVERY_S = 60.0
# Where a snapshot keeps the prices, beside the arms of the services: no service is called nothing.
PRICES = ""
# The price of lateness, in a request's usual joules. Where every request is in time it falls, so that cheaper servers
# are tried which are not so sure. It is bounded: where the share is out of reach no price brings it, and joules spent
# on it are spent in vain.
MARGIN = 0.01
FIRST = 20.0
LEAST, MOST = 0.5, 50.0
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
    takes_arrays: ClassVar[bool] = True

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
        self._prices: dict[str, VirtualQueue] = {}
        self._price_of_others = FIRST
        self._usual_j: float | None = None
        self._arms: dict[str, dict[str, Arm]] = {}
        self._wide: dict[str, ArmColumns] = {}
        self._decisions = 1
        self._fade_at_s = 0.0

    def meet(self, services: Sequence[Service]) -> None:
        known, self._prices = self._prices, {}
        for service in services:
            price = known.get(service.name)
            if price is None:
                price = VirtualQueue(service, margin=MARGIN, first=FIRST, least=LEAST, most=MOST)
            price.meet(service)
            self._prices[service.name] = price

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        if now_s > self._fade_at_s:
            self._fade(now_s)
        reach = self._delta * sqrt(log(self._decisions + 1.0))
        arms = self._arms.get(request.service, {})
        energy_j, servers = candidates.energy_j, candidates.servers
        if isinstance(energy_j, np.ndarray):
            return self._score_wide(request, candidates, arms, reach)
        scores = []
        for row in candidates.feasible:
            arm = arms.get(servers[row].server_id, UNTRIED)
            scores.append(-energy_j[row] * exp(arm.log_mean - arm.width * reach))
        return self._with_lateness(request, candidates, scores) if self.weighs_lateness else scores

    def _with_lateness(self, request: Request, candidates: Candidates, scores: list[float]) -> Sequence[float]:
        """Take from minus the joules of each server the price of the requests it would make late.

        Who will be late anyway should not be so for long: every requirement's length beyond it costs a usual request.
        """
        usual_j = self._usual_j
        if usual_j is None:
            usual_j = self._usual_j = -max(scores)
        price, limit_s = self._prices.get(request.service), request.requirement.total_s or inf
        own_j = usual_j * (FIRST if price is None else price.value)
        others_j = usual_j * self._price_of_others if self._harm else 0.0
        probability, harm, total_s = candidates.in_time_probability, candidates.harm, candidates.total_s
        for number, row in enumerate(candidates.feasible):
            scores[number] -= own_j * (1.0 - probability[row]) + others_j * harm[row]
            if total_s[row] > limit_s:
                scores[number] -= usual_j * (total_s[row] / limit_s - 1.0)
        return scores

    def _score_wide(
        self, request: Request, candidates: Candidates, arms: Mapping[str, Arm], reach: float
    ) -> Sequence[float]:
        """Do the same with arrays, for a large fleet."""
        wide = self._wide.get(request.service)
        if wide is None or wide.servers is not candidates.servers:
            wide = self._wide[request.service] = ArmColumns(candidates.servers, UNTRIED)
        wide.refresh(arms)
        rows = np.asarray(candidates.feasible)
        costs_j = np.asarray(candidates.energy_j) * np.exp(wide.log_mean - wide.width * reach)
        if self.weighs_lateness:
            if self._usual_j is None:
                self._usual_j = float(costs_j[rows].min())
            price, total_s = self._prices.get(request.service), np.asarray(candidates.total_s)
            costs_j += self._usual_j * (FIRST if price is None else price.value) * (
                1.0 - np.asarray(candidates.in_time_probability)
            ) + (self._usual_j * self._price_of_others if self._harm else 0.0) * np.asarray(candidates.harm)
            if request.requirement.total_s:
                costs_j += self._usual_j * np.maximum(total_s / request.requirement.total_s - 1.0, 0.0)
        return cast("Sequence[float]", -costs_j[rows])

    def worth(self, service: str) -> float:
        # A low price says that cheaper servers may be dared, not that all should wait longer.
        price = self._prices.get(service)
        return WORTH if price is None else max(price.value, WORTH)

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        self._decisions += 1
        arm = self._arm(request.service, server_id)
        arm.outstanding += 1
        self._changed(arm, request.service, server_id)

    def learn(self, lesson: Lesson) -> None:
        arm = self._arm(lesson.service, lesson.server_id)
        arm.outstanding -= 1
        if lesson.evident is _FULLY and lesson.energy_ratio is not None:
            arm.energy_log.learn(log(lesson.energy_ratio), lesson.at_s)
        self._changed(arm, lesson.service, lesson.server_id)
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
                self._changed(arm, service, server_id)

    def _fade(self, now_s: float) -> None:
        self._fade_at_s = now_s + FADE_EVERY_S
        for service, arms in self._arms.items():
            for server_id, arm in arms.items():
                arm.fade(now_s)
                self._changed(arm, service, server_id)

    def _changed(self, arm: Arm, service: str, server_id: str) -> None:
        arm.changed()
        if service in self._wide:
            self._wide[service].changed.add(server_id)

    def _arm(self, service: str, server_id: str) -> Arm:
        arms = self._arms.setdefault(service, {})
        arm = arms.get(server_id)
        if arm is None:
            arm = arms[server_id] = Arm()
        return arm
