"""What shells learn of servers beside the requests they send there."""

from __future__ import annotations

from msgspec import Struct


class Health(Struct, frozen=True, kw_only=True):
    """A probe's answer. `measured_at_s` is when it was true, which may be long before it is told."""

    server_id: str
    healthy: bool
    measured_at_s: float


Fact = Health
