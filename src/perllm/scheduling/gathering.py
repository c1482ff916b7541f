"""Who waits to go to one server together, and how often another request for it comes."""

from __future__ import annotations

# How far one observed gap moves the expected one: about the last twenty count.
GAP_WEIGHT = 0.05
FIRST_GAP_S = 1.0


class Gathering:
    """Requests that wait for company on the way to one server.

    `pays` says whether the server gains anything by it: an engine that reads prompts first stops all writing for every
    reading step, and what comes together shares one. `gap_s` is the expected time between two requests that want to go
    there. `left_at_s` is when somebody last went: who decides at that very instant goes along. `losses` are what those
    who wait lose by it, by request.
    """

    __slots__ = ("_came_at_s", "gap_s", "left_at_s", "losses", "pays")

    def __init__(self) -> None:
        self.pays = False
        self.gap_s = FIRST_GAP_S
        self.left_at_s = -1.0
        self._came_at_s = 0.0
        self.losses: dict[str, float] = {}

    def came(self, now_s: float) -> None:
        """Note that another request wants to go there."""
        self.gap_s += GAP_WEIGHT * (now_s - self._came_at_s - self.gap_s)
        self._came_at_s = now_s

    def join(self, request_id: str, loss_per_s: float) -> None:
        """Take in a request whose chances of being in time fall by so much per second of waiting."""
        self.losses[request_id] = loss_per_s

    def leave(self, request_id: str) -> None:
        """Let a request go, if it is there."""
        self.losses.pop(request_id, None)

    def loss_per_s(self, but: str) -> float:
        """Return what all of them but one lose by waiting."""
        return sum(self.losses.values()) - self.losses.get(but, 0.0) if self.losses else 0.0
