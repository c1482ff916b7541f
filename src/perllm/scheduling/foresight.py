"""What may know better than the predictor that all policies share; in a gateway nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.need import Need


class Foresight(Protocol):
    """Replaces beliefs by something better before any constraint is judged; what it says is taken as certain."""

    def need(self, request: Request, need: Need, now_s: float) -> Need:
        """Return what the request really needs."""

    def candidates(
        self, request: Request, need: Need, candidates: Candidates, rows: Sequence[int], now_s: float
    ) -> Candidates:
        """Return what the request would really take on the servers in these rows."""
