"""The server where the answer is expected soonest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy


class ShortestExpectedDelay(Policy):
    """Least expected time to the last byte in the live state, the queue included; blind to joules and requirements.

    The rule of queueing theory (JSED), here with the predictor that all policies share instead of queue length over
    service rate.
    """

    name: ClassVar[str] = "shortest-expected-delay"
    holds: ClassVar[bool] = False
    minds_time: ClassVar[bool] = False

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        return [-candidates.total_s[row] for row in candidates.feasible]
