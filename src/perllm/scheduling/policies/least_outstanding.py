"""The server with the fewest unfinished requests: what proxies call least connections or least busy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy


class LeastOutstanding(Policy):
    """Fewest unfinished requests, as LiteLLM's least-busy and nginx's least_conn; blind to speed, time and joules.

    `per_slot`: fewest for each of its slots, as nginx's least_conn with weights.
    """

    name: ClassVar[str] = "least-outstanding"
    holds: ClassVar[bool] = False
    minds_time: ClassVar[bool] = False
    blind: ClassVar[bool] = True

    def __init__(self, *, per_slot: bool = False) -> None:
        self._per_slot = per_slot

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        outstanding = candidates.outstanding
        if not self._per_slot:
            return [-float(outstanding[row]) for row in candidates.feasible]
        return [-outstanding[row] / candidates.servers[row].slots for row in candidates.feasible]
