"""What shells learn of servers beside the requests they send there."""

from __future__ import annotations

from msgspec import Struct


class Health(Struct, frozen=True, kw_only=True, gc=False):
    """A probe's answer. `measured_at_s` is when it was true, which may be long before it is told.

    `ready_in_s`: how long the server would have taken to begin with a request, being asleep or without its model.
    """

    server_id: str
    healthy: bool
    measured_at_s: float
    ready_in_s: float = 0.0


Fact = Health
