"""The server with the least expected marginal energy among those expected to be in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy


class EnergyGreedy(Policy):
    """Least expected marginal joules among the servers expected to be in time; explores nothing."""

    name: ClassVar[str] = "energy-greedy"

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        return [-candidates.energy_j[row] for row in candidates.feasible]
