"""Where all requests are: the numbers of the law of conservation."""

from __future__ import annotations

from msgspec import Struct


class Counts(Struct, frozen=True, kw_only=True, gc=False):
    """Requests by state. `submitted` is the sum of all others, at every instant."""

    submitted: int = 0
    completed: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    refused: int = 0
    held: int = 0
    in_flight: int = 0

    @property
    def accounted(self) -> int:
        return (
            self.completed + self.failed + self.timed_out + self.cancelled + self.refused + self.held + self.in_flight
        )
