"""The state that AGOD's network sees: a fixed number of seats, each with what is known of one server.

The published network has one action for each provider of one fleet. Fleets here differ, so servers take seats in the
order of their capacity, the largest in the last seat; seats without a server are all zero. Of more servers than there
are seats, those expected to be done soonest sit down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.neural.facts import (
    backlog_of,
    bytes_per_s_of,
    capacity_tokens_per_s,
    expected_tokens_of,
    free_fraction,
    prompt_tokens_of,
    squashed,
)

SEATS: Final = 6
PER_SEAT: Final = 5
OF_REQUEST: Final = 3
STATES: Final = SEATS * PER_SEAT + OF_REQUEST

# Where shares without bounds are half: typical requests of the paper's kind.
_HALF_PROMPT_TOKENS: Final = 200.0
_HALF_OUTPUT_TOKENS: Final = 50.0
_HALF_REQUIREMENT_S: Final = 5.0
_HALF_BACKLOG: Final = 1.0


class Seated(NamedTuple):
    """Who sits where: one row of the fleet per seat, None for an empty seat; and the state, each number in (0, 1)."""

    rows: Sequence[int | None]
    state: list[float]


class Seats:
    """Seats the servers of one fleet; what does not change from request to request is worked out once."""

    __slots__ = ("_by_capacity", "_fixed", "_servers")

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers
        capacity = [capacity_tokens_per_s(server) for server in servers]
        rate = [bytes_per_s_of(server) for server in servers]
        self._fixed = [(own / max(capacity), link / max(rate)) for own, link in zip(capacity, rate, strict=True)]
        self._by_capacity = sorted(range(len(servers)), key=lambda row: capacity[row])

    def take(self, request: Request, candidates: Candidates) -> Seated:
        """Seat the servers that may serve a request."""
        feasible = candidates.feasible
        if len(feasible) > SEATS:
            feasible = sorted(feasible, key=candidates.total_s.__getitem__)[:SEATS]
        sitting = set(feasible)
        rows: list[int | None] = [None] * (SEATS - len(sitting))
        rows += [row for row in self._by_capacity if row in sitting]
        state = []
        for row in rows:
            state += self._seat(request, candidates, row) if row is not None else _EMPTY
        return Seated(rows, state + _of_request(request, candidates))

    def _seat(self, request: Request, candidates: Candidates, row: int) -> list[float]:
        server, outstanding = self._servers[row], candidates.outstanding[row]
        capacity, rate = self._fixed[row]
        return [
            capacity,
            free_fraction(server, outstanding),
            rate,
            squashed(backlog_of(server, outstanding), _HALF_BACKLOG),
            squashed(candidates.total_s[row], request.requirement.total_s or _HALF_REQUIREMENT_S),
        ]


_EMPTY: Final = [0.0] * PER_SEAT


def _of_request(request: Request, candidates: Candidates) -> list[float]:
    required_s = request.requirement.total_s
    return [
        squashed(prompt_tokens_of(request), _HALF_PROMPT_TOKENS),
        squashed(expected_tokens_of(candidates, candidates.feasible[0]), _HALF_OUTPUT_TOKENS),
        1.0 if required_s is None else squashed(required_s, _HALF_REQUIREMENT_S),
    ]
