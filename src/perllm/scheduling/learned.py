"""What has been learned, as values: sufficient statistics that can be kept, restored and merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Discounted sums of observations of one number, as of `updated_at_s`. Adds up."""

    weight: float
    total: float
    square: float
    updated_at_s: float

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            weight=self.weight + other.weight,
            total=self.total + other.total,
            square=self.square + other.square,
            updated_at_s=max(self.updated_at_s, other.updated_at_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Every belief by name: corrections of servers, lengths of services, arms of the policy."""

    servers: Mapping[str, Mapping[str, Evidence]] = field(default_factory=dict)
    services: Mapping[str, Mapping[str, Evidence]] = field(default_factory=dict)
    arms: Mapping[str, Mapping[str, Evidence]] = field(default_factory=dict)
