"""Rules that know one tier alone: who may go there does, and only what may not goes elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from perllm.domain.request import Request
from perllm.domain.server import Server, Tier
from perllm.domain.service import Service
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy


class OneTier(Policy):
    """Everything to the least busy server of `tier`. Subclasses define `name` and `tier`."""

    tier: ClassVar[Tier]
    holds: ClassVar[bool] = False
    minds_time = False
    blind: ClassVar[bool] = True

    def admits(self, service: Service, server: Server) -> bool:
        return belongs(self.tier, service, server)

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        return [-float(candidates.outstanding[row]) for row in candidates.feasible]


def belongs(tier: Tier, service: Service, server: Server) -> bool:
    """Say whether a rule for one tier sends the service to this server: elsewhere only what is pinned there."""
    pinned = service.servers is not None or (service.tiers is not None and tier not in service.tiers)
    return server.tier is tier or pinned
