"""Anyone, by lot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy


class Random(Policy):
    """Any server that can serve, by lot: LiteLLM's simple-shuffle; blind to load, speed, time and joules.

    `by_slots`: with chances in proportion to the servers' slots, as simple-shuffle with a weight for each deployment.
    """

    name: ClassVar[str] = "random"
    holds: ClassVar[bool] = False
    minds_time: ClassVar[bool] = False
    blind: ClassVar[bool] = True

    def __init__(self, *, by_slots: bool = False) -> None:
        self._by_slots = by_slots

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        rows = candidates.feasible
        if not self._by_slots:
            # All alike: the scheduler draws one.
            return [0.0] * len(rows)
        # Of exponential waits at rates w, the one at rate w_i is the shortest with probability w_i / sum of all w.
        waits = self.rng.standard_exponential(len(rows)).tolist()
        return [-wait / candidates.servers[row].slots for row, wait in zip(rows, waits, strict=True)]
