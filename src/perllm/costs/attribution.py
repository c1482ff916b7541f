"""Sharing a machine's joules among the requests it works for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class OccupancyMeter:
    """Integrates watts above idle and shares them among the requests present, by their weights.

    One running integral of joules per unit of weight makes joining and leaving O(1): a request's share is the
    integral's growth while it was there. Shares add up to `spent_j`; watts drawn with nobody present belong to nobody
    and are kept in `unowned_j`.
    """

    at_s: float = 0.0
    watts: float = 0.0
    spent_j: float = 0.0
    unowned_j: float = 0.0
    _weight: float = 0.0
    _per_weight_j: float = 0.0
    _joined: dict[str, tuple[float, float]] = field(default_factory=dict)

    def advance(self, now_s: float) -> None:
        """Integrate up to `now_s` at the present watts."""
        joules = self.watts * (now_s - self.at_s)
        self.at_s = now_s
        if joules == 0.0:
            return
        self.spent_j += joules
        if self._joined:
            self._per_weight_j += joules / self._weight
        else:
            self.unowned_j += joules

    def join(self, occupant: str, now_s: float, weight: float = 1.0) -> None:
        """Start charging `occupant`."""
        self.advance(now_s)
        self._weight += weight
        self._joined[occupant] = (self._per_weight_j, weight)

    def leave(self, occupant: str, now_s: float) -> float:
        """Stop charging `occupant` and return its joules."""
        self.advance(now_s)
        joined_at_j, weight = self._joined.pop(occupant)
        # Sums of floats drift by rounding: an empty machine starts afresh.
        self._weight = self._weight - weight if self._joined else 0.0
        return (self._per_weight_j - joined_at_j) * weight

    @property
    def occupants(self) -> int:
        return len(self._joined)
