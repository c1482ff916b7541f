"""What a service is behind the share of requests in time that it asks for: a queue of misses that nobody waits in."""

from __future__ import annotations

from perllm.domain.service import Service
from perllm.scheduling.learned import Evidence


class VirtualQueue:
    """Q <- Q + aim - s within bounds (Neely 2010, ch. 4), s being 1 for a request in time and 0 for a miss.

    It stays where exactly the share aimed at is in time. That lies above the one asked for by `margin`, at most
    half-way to all: who aims at 97 % and hits it on average misses it every other time. `value` is Q, at first `first`.
    """

    __slots__ = ("_aim", "_least", "_margin", "_most", "value")

    def __init__(self, service: Service, *, margin: float, first: float, least: float, most: float) -> None:
        self._margin = margin
        self._least = least
        self._most = most
        self.value = first
        self.meet(service)

    def meet(self, service: Service) -> None:
        """Take in what the service asks for now."""
        self._aim = min(service.attainment + self._margin, (1.0 + service.attainment) / 2)

    def ended(self, *, in_time: bool) -> None:
        """Take in the end of a request."""
        value = self.value + self._aim - in_time
        self.value = self._least if value < self._least else self._most if value > self._most else value

    def snapshot(self) -> Evidence:
        """Return the queue, to be kept over a restart."""
        return Evidence(weight=1.0, total=self.value, square=self.value * self.value, updated_at_s=0.0)

    def absorb(self, evidence: Evidence) -> None:
        """Take over a queue."""
        self.value = min(max(evidence.total, self._least), self._most)
