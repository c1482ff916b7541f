"""FineInfer with everything in the cloud: deferred continuous batching, no choice among tiers."""

from __future__ import annotations

from typing import ClassVar

from perllm.domain.server import Server, Tier
from perllm.domain.service import Service
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.deferred_batching import DeferredBatching
from perllm.scheduling.one_tier import belongs


class FineInferCloud(DeferredBatching):
    """Everything to the cloud, where requests wait up to a second to start as one batch (He et al., EuroMLSys'24).

    Adapted: FineInfer runs on one machine, beside fine-tuning, and chooses no server. Ours serves without fine-tuning
    and bounds the deferral by the least slack too; of several cloud servers the one with the fewest unfinished requests
    is taken, and what may not leave the edge stays there.
    """

    name: ClassVar[str] = "fineinfer-cloud"

    def admits(self, service: Service, server: Server) -> bool:
        return belongs(Tier.CLOUD, service, server)

    def precedence(self, candidates: Candidates, row: int) -> float:
        return candidates.outstanding[row] + self.waiting(candidates.servers[row].server_id)
