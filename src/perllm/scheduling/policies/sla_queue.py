"""SLA queue: least energy, against a debt of requests in time that each service runs up and pays off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from perllm.domain.action import Outcome
from perllm.domain.request import Request
from perllm.domain.service import Service
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.learned import Evidence
from perllm.scheduling.policy import Policy
from perllm.scheduling.virtual_queue import VirtualQueue

# Ours: what a joule weighs in requests in time (a request in time is worth 100 J for each it owes), how far above its
# target a service aims, and how large a debt may grow.
V = 0.01
MARGIN = 0.005
MOST_DEBT = 200.0


class SlaQueue(Policy):
    """Least V * joules + Q * P(late), Q the service's debt of requests in time (after MESS+, arXiv 2505.19947).

    Chooses among all servers with room, in time or not: the debt weighs lateness instead of a filter. Adapted: MESS+
    explores by running every model; here the predictor stands for that. One queue for each service gives each its own
    attainment; it aims half a point above the target and is bounded.
    """

    name: ClassVar[str] = "sla-queue"
    minds_time = False

    def __init__(self, *, v: float = V, margin: float = MARGIN, most_debt: float = MOST_DEBT) -> None:
        if v < 0.0 or margin < 0.0 or most_debt < 0.0:
            raise ValueError("v, margin and most_debt must be 0 or above")
        self._v = v
        self._margin = margin
        self._most_debt = most_debt
        self._debts: dict[str, VirtualQueue] = {}

    def meet(self, services: Sequence[Service]) -> None:
        for service in services:
            debt = self._debts.get(service.name)
            if debt is None:
                debt = VirtualQueue(service, margin=self._margin, first=0.0, least=0.0, most=self._most_debt)
            debt.meet(service)
            self._debts[service.name] = debt

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        """Return -(V * E + Q * (1 - P)) for each server."""
        queue = self._debts.get(request.service)
        debt = 0.0 if queue is None else queue.value
        energy_j, probability = candidates.energy_j, candidates.in_time_probability
        return [debt * (probability[row] - 1.0) - self._v * energy_j[row] for row in candidates.feasible]

    def ended(self, outcome: Outcome) -> None:
        """Let the debt grow by the aim and shrink by what was in time: Q <- max(0, Q + aim - s)."""
        debt = self._debts.get(outcome.service)
        if outcome.counted and debt is not None:
            debt.ended(in_time=outcome.in_time)

    def snapshot(self) -> Mapping[str, Mapping[str, Evidence]]:
        return {service: {"debt": debt.snapshot()} for service, debt in self._debts.items()}

    def absorb(self, arms: Mapping[str, Mapping[str, Evidence]]) -> None:
        for service, queues in arms.items():
            if service in self._debts and "debt" in queues:
                self._debts[service].absorb(queues["debt"])
