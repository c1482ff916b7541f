"""What a policy is: it scores feasible servers and learns from what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

import numpy as np
from msgspec import Struct

from perllm.domain.action import Outcome
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.foresight import Foresight
from perllm.scheduling.learned import Evidence

# Our choice where a policy has no price of its own: from 20 to 80 joules change by 1 %, and who waits less is in time
# a little more often.
WORTH = 40.0


class Evident(StrEnum):
    """How much an attempt's end says about its server."""

    FULLY = "fully"
    AT_LEAST = "at_least"
    NOT = "not"


class Lesson(Struct, frozen=True, kw_only=True, gc=False):
    """The end of one attempt, told once for every attempt, late and out of order.

    `evident` is NOT for cancelled and failed attempts, whose numbers say nothing, and AT_LEAST for those that ran out
    of time. `energy_ratio` is the joules charged over those predicted for the tokens really generated, None where
    unknown. `total_s` counts from the dispatch, `latency_s` from the arrival. The free fractions are those that were
    left of the server's slots and of its link when the attempt had been dispatched. `output_tokens` are those seen, and
    `first_token_s` counts from the dispatch, None where no first token was: of plain answers it never is.
    """

    request_id: str = ""
    service: str
    server_id: str
    evident: Evident
    in_time: bool
    total_s: float
    latency_s: float
    requirement_s: float | None
    transmit_j: float
    infer_j: float | None
    energy_ratio: float | None
    free_slots_fraction: float
    free_bandwidth_fraction: float
    at_s: float
    model: str = ""
    output_tokens: int = 0
    first_token_s: float | None = None


class Policy:
    """A rule for choosing among feasible servers. Subclasses define `name` and `score`.

    `holds`: requests wait in the scheduler for room instead of in the engines' queues. `gathers`: they wait for company
    too, where that pays. `minds_time`: servers that are not expected to be in time are no candidates (C1). Rules that
    operators use today do none of it. `weighs_lateness`: it scores whoever is reachable, in time or not, with room or
    full for now, and looks at `Candidates.harm`. `takes_arrays`: in a large fleet its `score` is given arrays and
    returns one.
    `sleeps`: servers that obey commands are sent to sleep while the others can carry what comes.
    `recalls`: estimates count what a conversation has left in servers' caches.
    `watches`: it wants to hear how far streams have come. `blind`: it uses no estimate of seconds or joules and
    learns nothing from how they were met (`energy_ratio`), so that nothing need be predicted unless somebody wants an
    explanation; it cannot defer. `batches`: what it defers it may release together, so that whenever one request goes
    the others are asked again. `rng` is where all its chance comes from; the scheduler gives it before anything is
    scored. One with `foresight` is offered what that says instead of estimates.
    """

    name: ClassVar[str]
    holds: ClassVar[bool] = True
    gathers: bool = False
    minds_time: bool = True
    weighs_lateness: bool = False
    sleeps: bool = False
    recalls: bool = True
    watches: ClassVar[bool] = False
    blind: ClassVar[bool] = False
    batches: ClassVar[bool] = False
    takes_arrays: ClassVar[bool] = False

    rng: np.random.Generator
    foresight: Foresight | None = None

    def draw_from(self, rng: np.random.Generator) -> None:
        """Take the generator of its own that a scheduler has for it: ties are broken with another."""
        self.rng = rng

    def meet(self, services: Sequence[Service]) -> None:
        """Take in which services there are, at the start and after every change."""

    def admits(self, service: Service, server: Server) -> bool:
        """Say whether this policy would ever send the service there."""
        return True

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        """Return one number per row of `candidates.feasible`, in that order; the highest is chosen."""
        raise NotImplementedError

    def defers(
        self, request: Request, candidates: Candidates, row: int, arrived_at_s: float, now_s: float
    ) -> float | None:
        """Say until when a request is held although the server in `row`, which scored best, could take it.

        It is decided anew at that instant, or earlier if room appears somewhere. None: it goes now. Never an instant
        that has come. A caller that cannot wait is not asked for.
        """
        return None

    def worth(self, service: str) -> float:
        """Return how many requests' joules one in time is worth: what waiting for company may cost in chances."""
        return WORTH

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        """Note that the request goes to this server; its lesson comes later."""

    def learn(self, lesson: Lesson) -> None:
        """Take in the end of an attempt."""

    def ended(self, outcome: Outcome) -> None:
        """Take in what became of a request, whether it was ever sent or not; told once for every request."""

    def snapshot(self) -> Mapping[str, Mapping[str, Evidence]]:
        """Return what was learned, by arm."""
        return {}

    def absorb(self, arms: Mapping[str, Mapping[str, Evidence]]) -> None:
        """Take over what a snapshot holds."""
