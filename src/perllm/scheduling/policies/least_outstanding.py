"""The server with the fewest unfinished requests: what proxies call least connections or least busy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy


class LeastOutstanding(Policy):
    """Fewest unfinished requests, as LiteLLM's least-busy and nginx's least_conn; blind to speed, time and joules."""

    name: ClassVar[str] = "least-outstanding"
    holds: ClassVar[bool] = False
    minds_time: ClassVar[bool] = False
    blind: ClassVar[bool] = True

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        return [-float(candidates.outstanding[row]) for row in candidates.feasible]
