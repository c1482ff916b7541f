"""The less loaded of two servers drawn by lot."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy


class PowerOfTwo(Policy):
    """The one with fewer unfinished requests of two drawn by lot, as Envoy and Ray Serve; blind to all else.

    `per_slot`: with fewer for each of its slots. The two are drawn without putting the first back, so that with two
    servers it is the less loaded one.
    """

    name: ClassVar[str] = "power-of-two"
    holds: ClassVar[bool] = False
    minds_time: ClassVar[bool] = False
    blind: ClassVar[bool] = True

    def __init__(self, *, per_slot: bool = False) -> None:
        self._per_slot = per_slot

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        rows = candidates.feasible
        drawn = self._two_of(len(rows))
        return [-self._load(candidates, row) if place in drawn else -inf for place, row in enumerate(rows)]

    def _two_of(self, count: int) -> tuple[int, ...]:
        if count <= 2:
            return tuple(range(count))
        first, second = int(self.rng.integers(count)), int(self.rng.integers(count - 1))
        return first, second + (second >= first)

    def _load(self, candidates: Candidates, row: int) -> float:
        outstanding = candidates.outstanding[row]
        return outstanding / candidates.servers[row].slots if self._per_slot else float(outstanding)
