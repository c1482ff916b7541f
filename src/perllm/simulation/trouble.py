"""What goes wrong in a world, and when: values that a scenario lists. Instants count from its start."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OutageKind(StrEnum):
    """How a server fails: it answers 503 at once, or not at all, as a machine that was switched off."""

    REFUSES = "refuses"
    VANISHES = "vanishes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time during which a server serves nothing, and at whose start it drops all it was doing."""

    server_id: str
    from_s: float
    to_s: float
    kind: OutageKind = OutageKind.REFUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """A time during which a server takes `factor` times as long for every step."""

    server_id: str
    from_s: float
    to_s: float
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A server that grows slower (or, with a factor under 1, faster) by `factor_per_hour`, up to `limit` in all."""

    server_id: str
    factor_per_hour: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Requests of somebody else on a server: a Poisson process that the scheduler knows nothing of.

    Lengths are exponential around their means. Their joules belong to no request of ours.
    """

    server_id: str
    rate_per_s: float
    prompt_tokens: float
    output_tokens: float
    from_s: float = 0.0
    to_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOutage:
    """A time during which nothing moves on the way to a server, or to all servers of a site."""

    place: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """A time during which a server's probe says it is well, or unwell, whatever it is."""

    server_id: str
    from_s: float
    to_s: float
    healthy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Everything that goes wrong. `telemetry_delay_s`: how late what a probe found is told."""

    outages: tuple[Outage, ...] = ()
    slowdowns: tuple[Slowdown, ...] = ()
    drifts: tuple[Drift, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    lies: tuple[Lie, ...] = ()
    telemetry_delay_s: float = 0.0
