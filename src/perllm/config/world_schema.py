"""The `world` of a scenario: what the scheduler is not told."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from perllm.accounting import IdleAccounting
from perllm.config.kinds import Name, NotNegative, Positive, Section, Share, Text
from perllm.simulation.trouble import OutageKind


class _Interval(Section, frozen=True, kw_only=True):
    """A time, in seconds from the start."""

    from_s: NotNegative
    to_s: Positive

    def __post_init__(self) -> None:
        """Refuse what ends before it begins."""
        if self.to_s <= self.from_s:
            raise ValueError("to_s must be later than from_s")


class OutageSection(_Interval, frozen=True, kw_only=True):
    """A time at which a server answers 503 (`refuses`) or not at all (`vanishes`)."""

    server: Name
    kind: OutageKind = OutageKind.REFUSES


class SlowdownSection(_Interval, frozen=True, kw_only=True):
    """A time at which a server takes `factor` times as long for everything."""

    server: Name
    factor: Positive


class DriftSection(Section, frozen=True, kw_only=True):
    """A server whose steps take `factor_per_hour` times as long after every hour, up to `limit` times in all."""

    server: Name
    factor_per_hour: Positive
    limit: Positive

    def __post_init__(self) -> None:
        """Refuse a limit on the other side of 1, which would be there from the start."""
        if (self.factor_per_hour - 1.0) * (self.limit - 1.0) < 0.0:
            raise ValueError("factor_per_hour and limit lie on different sides of 1")


class TenantSection(Section, frozen=True, kw_only=True):
    """Somebody else's requests on a server: a Poisson process, lengths exponential around their means."""

    server: Name
    rate_per_s: Positive
    prompt_tokens: Positive
    output_tokens: Positive
    from_s: NotNegative = 0.0
    to_s: Positive | None = None

    def __post_init__(self) -> None:
        """Refuse what ends before it begins."""
        if self.to_s is not None and self.to_s <= self.from_s:
            raise ValueError("to_s must be later than from_s")


class LinkOutageSection(_Interval, frozen=True, kw_only=True):
    """A time at which nothing moves on the way to a server, or to all servers of a site."""

    place: Name


class LieSection(_Interval, frozen=True, kw_only=True):
    """A time at which a server's probe says `healthy`, whatever it is."""

    server: Name
    healthy: bool


class FluctuationSection(Section, frozen=True, kw_only=True):
    """Levels uniform within ± `spread` around 1, drawn anew every `every_s`."""

    spread: Annotated[float, Meta(gt=0, lt=1, description="a share above 0 and below 1, such as 0.2")]
    every_s: Positive = 1.0


class MarkovSection(Section, frozen=True, kw_only=True):
    """A chain that stays at each of `levels` for an exponential time around its `stays_s`, then goes to any other."""

    levels: Annotated[tuple[Positive, ...], Meta(min_length=1, description="a list of factors, such as [1, 0.3]")]
    stays_s: Annotated[tuple[Positive, ...], Meta(min_length=1, description="a list of seconds, one for each level")]

    def __post_init__(self) -> None:
        """Refuse levels without a time."""
        if len(self.levels) != len(self.stays_s):
            raise ValueError("levels and stays_s need as many entries as each other")


class BandwidthSection(Section, frozen=True, kw_only=True):
    """How the bandwidth of links and sites changes, in one of three ways; `places` left out: all of them."""

    fluctuates: FluctuationSection | None = None
    markov: MarkovSection | None = None
    file: Text | None = None
    places: tuple[Name, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse two ways at once, and none."""
        if sum(way is not None for way in (self.fluctuates, self.markov, self.file)) != 1:
            raise ValueError("give one of fluctuates, markov and file")


class SiteSection(Section, frozen=True, kw_only=True):
    """Servers that share an uplink."""

    servers: Annotated[tuple[Name, ...], Meta(min_length=1, description="a list of servers")]
    up_mbit_per_s: Positive
    down_mbit_per_s: Positive


class WorldSection(Section, frozen=True, kw_only=True):
    """What the scheduler is not told: how far the truth lies from the profiles, and what goes wrong."""

    prior_error: Share = 0.2
    service_noise: NotNegative = 0.05
    link_jitter: NotNegative = 0.1
    probe_interval_s: Positive = 5.0
    idle: IdleAccounting = IdleAccounting.ALL
    bandwidth: BandwidthSection | None = None
    sites: dict[Name, SiteSection] = msgspec.field(default_factory=dict)
    outages: tuple[OutageSection, ...] = ()
    slowdowns: tuple[SlowdownSection, ...] = ()
    drifts: tuple[DriftSection, ...] = ()
    tenants: tuple[TenantSection, ...] = ()
    link_outages: tuple[LinkOutageSection, ...] = ()
    lies: tuple[LieSection, ...] = ()
    telemetry_delay_s: NotNegative = 0.0

    def __post_init__(self) -> None:
        """Refuse outages of one server that overlap, and servers in two sites."""
        by_server = sorted(self.outages, key=lambda outage: (outage.server, outage.from_s))
        for earlier, later in pairwise(by_server):
            if earlier.server == later.server and later.from_s < earlier.to_s:
                raise ValueError(f"two outages of {later.server} overlap")
        housed = [server for site in self.sites.values() for server in site.servers]
        if len(housed) != len(set(housed)):
            raise ValueError("a server stands in two sites")
