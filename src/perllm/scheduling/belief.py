"""A belief about one number: a discounted mean and spread that forgets with time."""

from __future__ import annotations

from math import exp, sqrt

from perllm.scheduling.learned import Evidence

# A spread of exactly zero would claim certainty after two equal observations.
LEAST_SD = 1e-3
LEAST_VARIANCE = LEAST_SD**2


class Belief:
    """Weighted mean and variance of what was observed, on top of a prior that counts as `prior_weight` observations.

    Old observations fade with wall time, so that a quiet server is slowly forgotten, and with each new one once
    `memory_weight` is reached, so that a busy one follows drift. The prior does not fade.
    """

    __slots__ = (
        "mean", "memory_s", "memory_weight", "prior_square", "prior_total", "prior_weight", "sd", "square", "total",
        "updated_at_s", "weight",
    )  # fmt: skip

    def __init__(self, *, mean: float, sd: float, weight: float, memory_s: float, memory_weight: float) -> None:
        self.prior_weight = weight
        self.prior_total = weight * mean
        self.prior_square = weight * (sd**2 + mean**2)
        self.memory_s = memory_s
        self.memory_weight = memory_weight
        self.weight = 0.0
        self.total = 0.0
        self.square = 0.0
        self.updated_at_s = 0.0
        self.mean = mean
        self.sd = sd

    def learn(self, value: float, now_s: float, spread: float = 0.0) -> None:
        """Take in one observation; `spread` is its own standard deviation where it is only an expectation."""
        age_s = now_s - self.updated_at_s
        keep = exp(-age_s / self.memory_s) if age_s > 0.0 else 1.0
        kept = self.weight * keep
        if kept + 1.0 > self.memory_weight:
            keep *= (self.memory_weight - 1.0) / kept
            kept = self.memory_weight - 1.0
        self.weight = kept + 1.0
        self.total = total = self.total * keep + value
        self.square = square = self.square * keep + value * value + spread * spread
        self.updated_at_s = now_s
        # `_refresh`, written out: seven beliefs learn from every answer.
        weight = kept + 1.0 + self.prior_weight
        self.mean = mean = (total + self.prior_total) / weight
        variance = (square + self.prior_square) / weight - mean * mean
        self.sd = sqrt(variance) if variance > LEAST_VARIANCE else LEAST_SD

    def _refresh(self) -> None:
        weight = self.weight + self.prior_weight
        self.mean = mean = (self.total + self.prior_total) / weight
        variance = (self.square + self.prior_square) / weight - mean * mean
        self.sd = sqrt(variance) if variance > LEAST_VARIANCE else LEAST_SD

    def fade(self, now_s: float) -> None:
        """Forget as much as time has taken: what is not renewed gives way to the prior."""
        keep = exp(min(self.updated_at_s - now_s, 0.0) / self.memory_s)
        self.weight *= keep
        self.total *= keep
        self.square *= keep
        self.updated_at_s = max(now_s, self.updated_at_s)
        self._refresh()

    def weight_at(self, now_s: float) -> float:
        """Return the evidence left by now: what is not renewed fades."""
        return self.weight * exp(min(self.updated_at_s - now_s, 0.0) / self.memory_s)

    def snapshot(self) -> Evidence:
        """Return what was observed, without the prior."""
        return Evidence(weight=self.weight, total=self.total, square=self.square, updated_at_s=self.updated_at_s)

    def absorb(self, evidence: Evidence) -> None:
        """Take over evidence from a snapshot in place of what was observed."""
        self.weight = evidence.weight
        self.total = evidence.total
        self.square = evidence.square
        self.updated_at_s = evidence.updated_at_s
        self._refresh()
