"""What shells learn of servers beside the requests they send there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A probe's answer. `measured_at_s` is when it was true, which may be long before it is told."""

    server_id: str
    healthy: bool
    measured_at_s: float


Fact = Health
