"""Each server in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy


class RoundRobin(Policy):
    """Each server in turn, skipping those that cannot serve; blind to speed, time and joules."""

    name: ClassVar[str] = "round-robin"
    holds: ClassVar[bool] = False
    minds_time = False
    blind: ClassVar[bool] = True

    def __init__(self) -> None:
        self._turn = 0
        self._turn_of: dict[str, int] = {}

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        last_turn = self._turn_of
        return [-float(last_turn.get(candidates.servers[row].server_id, 0)) for row in candidates.feasible]

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        self._turn += 1
        self._turn_of[server_id] = self._turn
