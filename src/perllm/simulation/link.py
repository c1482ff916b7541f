"""The way to a server as it really is: shared bandwidth that fluctuates and fails, and the time bytes take on it."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from perllm.domain.server import Link
from perllm.simulation.weather import Weather

Interval = tuple[float, float]


class Pipe:
    """One direction of a link or of a site's uplink: bytes go one after the other at its rate.

    `weather` scales the rate over time; in an outage nothing moves.
    """

    __slots__ = ("_free_at_s", "_outages", "_rate_bytes_per_s", "_weather")

    def __init__(
        self, rate_bytes_per_s: float, weather: Weather | None = None, outages: Sequence[Interval] = ()
    ) -> None:
        self._rate_bytes_per_s = rate_bytes_per_s
        self._weather = weather
        self._outages = tuple(sorted(outages))
        self._free_at_s = 0.0

    def send(self, at_s: float, count_bytes: float) -> float:
        """Queue bytes that are there at `at_s` behind those sent before; return when the last one is through."""
        begins_at_s = at_s if at_s > self._free_at_s else self._free_at_s
        if self._weather is None and not self._outages:
            self._free_at_s = begins_at_s + count_bytes / self._rate_bytes_per_s
        else:
            self._free_at_s = self._through_at_s(begins_at_s, count_bytes)
        return self._free_at_s

    def soonest(self, at_s: float, count_bytes: float) -> float:
        """Return when bytes would be through if nothing else were under way."""
        if self._weather is None and not self._outages:
            return at_s + count_bytes / self._rate_bytes_per_s
        return self._through_at_s(at_s, count_bytes)

    def drain(self, began_at_s: float, ended_at_s: float, all_bytes: float, last_bytes: float) -> float:
        """Queue bytes that came over a time; return when all are through, the last of which come at its end."""
        all_at_s, last_at_s = self.send(began_at_s, all_bytes), self.soonest(ended_at_s, last_bytes)
        return all_at_s if all_at_s > last_at_s else last_at_s

    def _through_at_s(self, at_s: float, left_bytes: float) -> float:
        while True:
            rate, until_s = self._rate_at(at_s)
            if rate > 0.0 and at_s + left_bytes / rate <= until_s:
                return at_s + left_bytes / rate
            if until_s == inf:
                return inf
            left_bytes -= rate * (until_s - at_s)
            at_s = until_s

    def _rate_at(self, at_s: float) -> tuple[float, float]:
        """Return the rate at an instant, and until when it is that."""
        level, until_s = self._weather.at(at_s) if self._weather is not None else (1.0, inf)
        for from_s, to_s in self._outages:
            if from_s <= at_s < to_s:
                return 0.0, to_s
            if from_s > at_s:
                until_s = min(until_s, from_s)
                break
        return level * self._rate_bytes_per_s, until_s


class Way:
    """There and back: half a round trip and the pipes in a row, the server's own and its site's."""

    __slots__ = ("_down", "_half_rtt_s", "_more_down", "_more_up", "_up")

    def __init__(self, link: Link, up: Sequence[Pipe], down: Sequence[Pipe]) -> None:
        self._half_rtt_s = link.rtt_s / 2
        self._up, *self._more_up = up
        self._down, *self._more_down = down

    def arrives_at_s(self, at_s: float, count_bytes: float, factor: float) -> float:
        """Return when a request sent at `at_s` has reached the server; `factor` is its own luck on the way."""
        through_s = self._up.send(at_s, count_bytes * factor)
        for pipe in self._more_up:
            through_s = max(through_s, pipe.send(at_s, count_bytes * factor))
        return through_s + self._half_rtt_s * factor

    def soonest_at_s(self, at_s: float, count_bytes: float, factor: float) -> float:
        """Return when a request sent at `at_s` would have reached the server if nothing else were under way."""
        through_s = self._up.soonest(at_s, count_bytes * factor)
        for pipe in self._more_up:
            through_s = max(through_s, pipe.soonest(at_s, count_bytes * factor))
        return through_s + self._half_rtt_s * factor

    def returns_at_s(self, at_s: float, count_bytes: float, factor: float) -> float:
        """Return when a few bytes that leave the server at `at_s` have come back, past whatever is queued."""
        through_s = self._down.soonest(at_s, count_bytes * factor)
        for pipe in self._more_down:
            through_s = max(through_s, pipe.soonest(at_s, count_bytes * factor))
        return through_s + self._half_rtt_s * factor

    def drained_at_s(
        self, began_at_s: float, ended_at_s: float, all_bytes: float, last_bytes: float, factor: float
    ) -> float:
        """Return when an answer has come back that was written from `began_at_s` to `ended_at_s`.

        Its bytes went out as they were written, so that only what a pipe could not carry meanwhile is late; the last
        of them cannot go before they are written.
        """
        through_s = self._down.drain(began_at_s, ended_at_s, all_bytes * factor, last_bytes * factor)
        for pipe in self._more_down:
            through_s = max(through_s, pipe.drain(began_at_s, ended_at_s, all_bytes * factor, last_bytes * factor))
        return through_s + self._half_rtt_s * factor


def way_of(link: Link) -> Way:
    """Return a steady way of its own to one server."""
    return Way(link, (Pipe(link.up_bytes_per_s),), (Pipe(link.down_bytes_per_s),))
