"""FineInfer on every server, placement in turn: deferred continuous batching without a choice."""

from __future__ import annotations

from typing import ClassVar

from perllm.scheduling.candidates import Candidates
from perllm.scheduling.deferred_batching import DeferredBatching


class FineInferRoundRobin(DeferredBatching):
    """Each server in turn, where requests wait up to a second to start as one batch (He et al., EuroMLSys'24).

    Adapted: FineInfer runs on one machine, beside fine-tuning, and chooses no server; round robin is ours, as is the
    bound of the deferral by the least slack.
    """

    name: ClassVar[str] = "fineinfer-rr"

    def __init__(self, *, deferral_s: float = 1.0, cap: int = 0, join: bool = True) -> None:
        super().__init__(deferral_s=deferral_s, cap=cap, join=join)
        self._turn = 0
        self._turn_of: dict[str, int] = {}

    def precedence(self, candidates: Candidates, row: int) -> float:
        return self._turn_of.get(candidates.servers[row].server_id, 0)

    def placed(self, server_id: str) -> None:
        self._turn += 1
        self._turn_of[server_id] = self._turn
