"""Candidates for tests of policies."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.scheduling.candidates import Candidates
from tests.unit.scheduling.builders import EDGE


def candidates(
    energy_j: list[float],
    *,
    total_s: list[float] | None = None,
    outstanding: list[int] | None = None,
    slots: list[int] | None = None,
    feasible: list[int] | None = None,
) -> Candidates:
    """Return servers s0, s1, … with these joules, and what else sets a rule apart."""
    count = len(energy_j)
    return Candidates(
        total_s=total_s or [1.0] * count,
        first_token_s=[0.1] * count,
        token_s=[0.01] * count,
        in_time_probability=[1.0] * count,
        energy_j=energy_j,
        outstanding=outstanding or [0] * count,
        violations=[None] * count,
        feasible=list(range(count)) if feasible is None else feasible,
        servers=[replace(EDGE, server_id=f"s{number}", slots=size) for number, size in enumerate(slots or [2] * count)],
    )
