"""Everything to the edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from perllm.domain.request import Request
from perllm.domain.server import Server, Tier
from perllm.domain.service import Service
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy


class EdgeOnly(Policy):
    """Everything to the edge, the least busy one; what may only be served elsewhere goes there all the same."""

    name: ClassVar[str] = "edge-only"
    holds: ClassVar[bool] = False
    minds_time: ClassVar[bool] = False
    blind: ClassVar[bool] = True

    def admits(self, service: Service, server: Server) -> bool:
        pinned = service.servers is not None or (service.tiers is not None and Tier.EDGE not in service.tiers)
        return server.tier is Tier.EDGE or pinned

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        return [-float(candidates.outstanding[row]) for row in candidates.feasible]
