"""Sharing a machine's joules among the requests it works for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class OccupancyMeter:
    """Integrates watts above idle and shares them equally among the requests present.

    One running integral of joules per occupant makes joining and leaving O(1): a request's share is the integral's
    growth while it was there. Shares add up to `spent_j`; watts drawn with nobody present belong to nobody
    and are kept in `unowned_j`.
    """

    at_s: float = 0.0
    watts: float = 0.0
    spent_j: float = 0.0
    unowned_j: float = 0.0
    _per_occupant_j: float = 0.0
    _joined_at_j: dict[str, float] = field(default_factory=dict)

    def advance(self, now_s: float) -> None:
        """Integrate up to `now_s` at the present watts."""
        joules = self.watts * (now_s - self.at_s)
        self.at_s = now_s
        self.spent_j += joules
        if self._joined_at_j:
            self._per_occupant_j += joules / len(self._joined_at_j)
        else:
            self.unowned_j += joules

    def join(self, occupant: str, now_s: float) -> None:
        """Start charging `occupant`."""
        self.advance(now_s)
        self._joined_at_j[occupant] = self._per_occupant_j

    def leave(self, occupant: str, now_s: float) -> float:
        """Stop charging `occupant` and return its joules."""
        self.advance(now_s)
        return self._per_occupant_j - self._joined_at_j.pop(occupant)

    @property
    def occupants(self) -> int:
        return len(self._joined_at_j)
