"""AGOD's D2SAC: a trained network denoises the scores of the servers."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import ClassVar

from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.neural.arrays import layers_of
from perllm.scheduling.neural.diffusion import DiffusionActor
from perllm.scheduling.neural.seats import Seats
from perllm.scheduling.policy import Policy

WEIGHTS = ("pretrained", "scratch")
# Scores that differ by less are equal: the last digits depend on the machine that multiplies.
DIGITS = 9


class Agod(Policy):
    """AGOD's D2SAC (Du et al., IEEE TMC 2024, arXiv 2303.13052): a diffusion actor, trained beforehand.

    Of the paper: five denoising steps on the scores of all actions, their schedule and network, trained with a double
    critic, argmax when it is judged. Adapted: a fixed number of seats for the servers of any fleet; the state has each
    server's link and backlog, and the expected run time, one number of the task there, is one per server here; servers
    that cannot serve are masked; at run time noise is taken at its mean, so that decisions can be repeated; and the
    reward is the paper's of PerLLM, with AGOD's penalty of 2 for what breaks a requirement instead of for a crash.

    `weights`: `pretrained` has seen other fleets and workloads, `scratch` 10,000 requests of one.
    """

    name: ClassVar[str] = "agod"
    holds: ClassVar[bool] = False
    minds_time = False

    def __init__(self, *, weights: str = "pretrained") -> None:
        if weights not in WEIGHTS:
            raise ValueError(f"there are no weights called {weights!r}, only {' and '.join(WEIGHTS)}")
        self._actor = DiffusionActor(layers_of(f"agod-{weights}"))
        self._servers: Sequence[Server] = ()
        self._seats = Seats(())

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        """Return what the denoised scores say of each server; one without a seat is the last choice."""
        if candidates.servers is not self._servers:
            self._servers, self._seats = candidates.servers, Seats(candidates.servers)
        seated = self._seats.take(request, candidates)
        scores = self._actor.scores(seated.state).tolist()
        by_row = {row: round(score, DIGITS) for row, score in zip(seated.rows, scores, strict=True)}
        return [by_row.get(row, -inf) for row in candidates.feasible]
