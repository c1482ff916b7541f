"""Drift plus penalty: least energy, against the work that waits at a server and the lateness a service has run up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import ClassVar

from perllm.domain.action import Outcome
from perllm.domain.request import Request
from perllm.domain.service import Service
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.learned import Evidence
from perllm.scheduling.policy import Policy

# Seconds of waiting work that a joule is worth; ours.
V = 0.01
MOST_LATENESS = 200.0


class DriftPlusPenalty(Policy):
    """Least V * joules + Q * seconds + Z * lateness, Q a server's backlog, Z a service's lateness (Neely, 2010).

    Chooses among all servers with room, in time or not. Q is the unfinished requests per slot; the seconds are those
    that the request would add. Z grows by how late each answer was, as a multiple of its requirement, and shrinks by
    the share that its service allows to be late. Adapted: energies and times are the shared predictor's, not known
    ones, and Z is bounded.
    """

    name: ClassVar[str] = "drift-plus-penalty"
    minds_time = False

    def __init__(self, *, v: float = V, most_lateness: float = MOST_LATENESS) -> None:
        if v < 0.0 or most_lateness < 0.0:
            raise ValueError("v and most_lateness must be 0 or above")
        self._v = v
        self._most_lateness = most_lateness
        self._allowed: dict[str, float] = {}
        self._lateness: dict[str, float] = {}

    def meet(self, services: Sequence[Service]) -> None:
        for service in services:
            self._allowed[service.name] = 1.0 - service.attainment

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        """Return -(V * E + Q * p + Z * y) for each server, y the expected lateness: P(late) * p / requirement."""
        weight = self._lateness.get(request.service, 0.0) / (request.requirement.total_s or inf)
        scores = []
        for row in candidates.feasible:
            backlog = candidates.outstanding[row] / candidates.servers[row].slots
            late = 1.0 - candidates.in_time_probability[row]
            work_s = candidates.total_s[row]
            scores.append(-self._v * candidates.energy_j[row] - (backlog + weight * late) * work_s)
        return scores

    def ended(self, outcome: Outcome) -> None:
        """Take in how late an answer was: Z <- max(0, Z + y - allowed), y = 0 where it was in time."""
        requirement_s = outcome.requirement.total_s
        if not outcome.counted or requirement_s is None or outcome.service not in self._allowed:
            return
        taken = (outcome.finished_at_s - outcome.arrived_at_s) / requirement_s
        late = 0.0 if outcome.in_time else max(taken, 1.0)
        lateness = self._lateness.get(outcome.service, 0.0) + late - self._allowed[outcome.service]
        self._lateness[outcome.service] = min(max(lateness, 0.0), self._most_lateness)

    def snapshot(self) -> Mapping[str, Mapping[str, Evidence]]:
        return {
            service: {"lateness": Evidence(weight=1.0, total=lateness, square=lateness * lateness, updated_at_s=0.0)}
            for service, lateness in self._lateness.items()
        }

    def absorb(self, arms: Mapping[str, Mapping[str, Evidence]]) -> None:
        known = {service: queues["lateness"].total for service, queues in arms.items() if "lateness" in queues}
        self._lateness.update(known)
