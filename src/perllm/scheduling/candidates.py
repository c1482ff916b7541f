"""The servers a request might go to, as columns: one row per server of the fleet, in the fleet's order."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from perllm.domain.reason import Violation
from perllm.domain.server import Server


class Candidates(Struct, gc=False):
    """What is believed of each server for one request, from now on.

    Seconds and joules are expectations; rows that cannot serve the request at all hold NaN. `outstanding` counts
    attempts not yet closed. `feasible` lists the rows that a policy is asked to score: those without a violation, and
    for one that weighs lateness itself also the late and the full. `harm` is how many of those being served there would
    become late by this one joining them.

    In a large fleet a policy that takes arrays is given all columns and `feasible` as arrays.
    """

    total_s: Sequence[float]
    first_token_s: Sequence[float]
    token_s: Sequence[float]
    in_time_probability: Sequence[float]
    energy_j: Sequence[float]
    outstanding: Sequence[int]
    violations: Sequence[Violation | None] = ()
    feasible: list[int] = field(default_factory=list)
    servers: Sequence[Server] = ()
    harm: Sequence[float] = ()
