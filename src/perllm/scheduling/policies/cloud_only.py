"""Everything to the cloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from perllm.domain.request import Request
from perllm.domain.server import Server, Tier
from perllm.domain.service import Service
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy


class CloudOnly(Policy):
    """Everything to the cloud, the least busy one; what may not leave the edge stays there all the same."""

    name: ClassVar[str] = "cloud-only"
    holds: ClassVar[bool] = False
    minds_time = False
    blind: ClassVar[bool] = True

    def admits(self, service: Service, server: Server) -> bool:
        pinned = service.servers is not None or (service.tiers is not None and Tier.CLOUD not in service.tiers)
        return server.tier is Tier.CLOUD or pinned

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        return [-float(candidates.outstanding[row]) for row in candidates.feasible]
