"""A number that goes up and down in steps, and its mean over time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Level:
    """How many there are now, integrated since the last `restart`."""

    now: int = 0
    at_s: float = 0.0
    since_s: float = 0.0
    area: float = 0.0

    def add(self, change: int, at_s: float) -> None:
        """Let the number change at an instant."""
        self.area += self.now * (at_s - self.at_s)
        self.at_s = at_s
        self.now += change

    def restart(self, at_s: float) -> float:
        """Return the mean since the last restart, and begin anew; over no time the mean is what there is now."""
        self.add(0, at_s)
        span_s = at_s - self.since_s
        mean = self.area / span_s if span_s > 0.0 else float(self.now)
        self.area, self.since_s = 0.0, at_s
        return mean
