"""Sharing a machine's joules among the requests it works for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class OccupancyMeter:
    """Integrates watts above idle and shares them equally among the requests present.

    One running integral of joules per occupant makes joining and leaving O(1): a request keeps the level that the
    integral had when it joined, and its share is the growth since. Shares add up to `spent_j`; watts drawn with nobody
    present belong to nobody and are kept in `unowned_j`.
    """

    at_s: float = 0.0
    watts: float = 0.0
    spent_j: float = 0.0
    unowned_j: float = 0.0
    occupants: int = 0
    _level_j: float = 0.0

    def advance(self, now_s: float) -> None:
        """Integrate up to `now_s` at the present watts."""
        joules = self.watts * (now_s - self.at_s)
        self.at_s = now_s
        if joules == 0.0:
            return
        self.spent_j += joules
        if self.occupants:
            self._level_j += joules / self.occupants
        else:
            self.unowned_j += joules

    def join(self, now_s: float) -> float:
        """Start charging one more occupant; return the level to leave with."""
        if now_s != self.at_s:
            self.advance(now_s)
        self.occupants += 1
        return self._level_j

    def leave(self, now_s: float, joined_at_j: float) -> float:
        """Stop charging the occupant that joined at this level and return its joules."""
        if now_s != self.at_s:
            self.advance(now_s)
        self.occupants -= 1
        return self._level_j - joined_at_j
