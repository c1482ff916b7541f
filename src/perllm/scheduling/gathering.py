"""Who waits to go to one server together, and how often another request for it comes."""

from __future__ import annotations

from math import inf

# How far one observation moves what is expected, once there are enough of them: about the last twenty count.
WEIGHT = 0.05
# Bursts come at one instant; nothing is divided by less than this.
LEAST_GAP_S = 1e-3


class Gathering:
    """Requests that wait for company on the way to one server.

    `gap_s` is the expected time between two requests that want to go there, infinite until there were two. `reading_s`
    is how long a prompt usually takes to be read there by the profile. `left_at_s` is when somebody last went: who
    decides at that very instant goes along. `losses` are what those who wait lose by it, by request.
    """

    __slots__ = ("_came", "_came_at_s", "_mean_s", "gap_s", "left_at_s", "losses", "reading_s")

    def __init__(self) -> None:
        self.gap_s = inf
        self.reading_s = 0.0
        self.left_at_s = -1.0
        self._came = 0
        self._came_at_s = 0.0
        self._mean_s = 0.0
        self.losses: dict[str, float] = {}

    def came(self, now_s: float) -> None:
        """Note that another request wants to go there."""
        if self._came:
            self._mean_s += max(WEIGHT, 1.0 / self._came) * (now_s - self._came_at_s - self._mean_s)
            self.gap_s = max(self._mean_s, LEAST_GAP_S)
        self._came += 1
        self._came_at_s = now_s

    def next_in_s(self, now_s: float) -> float:
        """Return how long the next one may take to come: as long as usual, or as long as nobody has come by now."""
        return max(self.gap_s, now_s - self._came_at_s)

    def left(self, reading_s: float, now_s: float) -> None:
        """Note that a request has gone there."""
        self.reading_s += WEIGHT * (reading_s - self.reading_s)
        self.left_at_s = now_s

    def join(self, request_id: str, loss_per_s: float) -> None:
        """Take in a request whose chances of being in time fall by so much per second of waiting."""
        self.losses[request_id] = loss_per_s

    def leave(self, request_id: str) -> None:
        """Let a request go, if it is there."""
        self.losses.pop(request_id, None)

    def loss_per_s(self, but: str) -> float:
        """Return what all of them but one lose by waiting."""
        return sum(self.losses.values()) - self.losses.get(but, 0.0)
