"""Deferred continuous batching: a server's requests wait for one another and then start together."""

from __future__ import annotations

from math import inf
from typing import ClassVar

from perllm.domain.action import Outcome
from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy

# The bound in FineInfer's own benchmark (llm-db/FineInfer, fi-ht.py).
DEFERRAL_S = 1.0


class Deferred:
    """The requests that wait for one server: when each arrived and how much time it can spare; who has been let go."""

    __slots__ = ("released", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[str, tuple[float, float]] = {}
        self.released: set[str] = set()

    def leave(self, request_id: str) -> None:
        """Forget a request that has gone, wherever to."""
        self.waiting.pop(request_id, None)
        self.released.discard(request_id)

    def starts_at_s(self, deferral_s: float) -> float:
        """Return when they start: once the oldest has waited for min(bound, least slack)."""
        oldest_at_s = min(arrived_at_s for arrived_at_s, _ in self.waiting.values())
        least_slack_s = min(slack_s for _, slack_s in self.waiting.values())
        return oldest_at_s + min(deferral_s, max(0.0, least_slack_s))

    def release(self) -> None:
        """Let everybody go who waits now."""
        self.released.update(self.waiting)


class DeferredBatching(Policy):
    """Places each request once, on arrival; there it waits until its batch starts. Subclasses define `precedence`.

    A batch starts when its oldest request has waited for min(`deferral_s`, least slack), or when `cap` of them wait
    (0: as many as the engine has slots). With `join`, who comes while it runs goes at once; without, they gather for
    the next one.
    """

    holds: ClassVar[bool] = False
    minds_time = False
    batches: ClassVar[bool] = True

    def __init__(self, *, deferral_s: float = DEFERRAL_S, cap: int = 0, join: bool = True) -> None:
        if deferral_s < 0.0 or cap < 0:
            raise ValueError("deferral_s and cap must be 0 or above")
        self._deferral_s = deferral_s
        self._cap = cap
        self._join = join
        self._deferred: dict[str, Deferred] = {}
        self._placed: dict[str, str] = {}

    def precedence(self, candidates: Candidates, row: int) -> float:
        """Return a number for a server: a new request is placed on the one with the least, drawn among equals."""
        raise NotImplementedError

    def placed(self, server_id: str) -> None:
        """Note that a request was placed on a server."""

    def waiting(self, server_id: str) -> int:
        """Return how many requests wait for a server."""
        deferred = self._deferred.get(server_id)
        return 0 if deferred is None else len(deferred.waiting)

    def score(self, request: Request, candidates: Candidates, now_s: float) -> list[float]:
        """Return 1 for the server a request was placed on; a new place is found where that one cannot serve now."""
        placed = self._placed.get(request.request_id)
        feasible = [candidates.servers[row].server_id for row in candidates.feasible]
        if placed not in feasible:
            self._forget(request.request_id)
            placed = candidates.servers[self._place(candidates)].server_id
            self._placed[request.request_id] = placed
            self.placed(placed)
        return [float(server_id == placed) for server_id in feasible]

    def defers(
        self, request: Request, candidates: Candidates, row: int, arrived_at_s: float, now_s: float
    ) -> float | None:
        runs = candidates.outstanding[row] > 0
        if runs and self._join:
            return None
        server = candidates.servers[row]
        deferred = self._deferred.setdefault(server.server_id, Deferred())
        if request.request_id not in deferred.waiting:
            requirement_s = request.requirement.total_s
            slack_s = inf if requirement_s is None else requirement_s - candidates.total_s[row]
            deferred.waiting[request.request_id] = arrived_at_s, slack_s
        if request.request_id in deferred.released:
            return None
        starts_at_s = inf if runs else deferred.starts_at_s(self._deferral_s)
        if now_s < starts_at_s and (runs or len(deferred.waiting) < (self._cap or server.slots)):
            return starts_at_s
        deferred.release()
        return None

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        self._forget(request.request_id)

    def ended(self, outcome: Outcome) -> None:
        self._forget(outcome.request_id)

    def _place(self, candidates: Candidates) -> int:
        precedences = {row: self.precedence(candidates, row) for row in candidates.feasible}
        least = min(precedences.values())
        equals = [row for row, precedence in precedences.items() if precedence == least]
        return equals[0] if len(equals) == 1 else equals[int(self.rng.integers(len(equals)))]

    def _forget(self, request_id: str) -> None:
        placed = self._placed.pop(request_id, None)
        if placed is not None and placed in self._deferred:
            self._deferred[placed].leave(request_id)
