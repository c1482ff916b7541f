"""A scenario: the fleet, its services, the traffic, and how far the world is from what is believed of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from perllm.accounting import IdleAccounting
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.scheduling.settings import SchedulerSettings
from perllm.simulation.bandwidth import Network
from perllm.simulation.trouble import Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Token counts: log-normal around a median, rounded, and cut at both ends. `sigma` is the logarithm's deviation."""

    median_tokens: float
    sigma: float
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLoad:
    """The requests of one service. `share` is relative to the other services' shares.

    Of its clients `leaving_fraction` hang up, after a time that is exponential around `leaving_after_s`, unless
    they were answered before.
    """

    share: float
    model: str
    prompt_tokens: Lengths
    output_tokens: Lengths
    max_output_tokens: int | None = None
    stream_fraction: float = 1.0
    bytes_per_prompt_token: float = 4.0
    overhead_bytes: int = 300
    leaving_fraction: float = 0.0
    leaving_after_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """How many requests arrive, at what mean rate (a Poisson process), and of which services."""

    requests: int
    rate_per_s: float
    loads: Mapping[str, ServiceLoad]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """How the truth differs from the profiles.

    `prior_error` bounds each server's hidden error: its true constants lie between 1 / (1 + error) and 1 + error of the
    profile's. `service_noise` and `link_jitter` are the deviations of the logarithm of each request's own factors.
    Servers are probed every `probe_interval_s`, from the start on. `network` says how links behave, `trouble` what goes
    wrong.
    """

    prior_error: float = 0.2
    service_noise: float = 0.05
    link_jitter: float = 0.1
    probe_interval_s: float = 5.0
    network: Network = field(default_factory=Network)
    trouble: Trouble = field(default_factory=Trouble)
    idle: IdleAccounting = IdleAccounting.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything a run depends on, except its seed."""

    name: str
    servers: tuple[Server, ...]
    services: tuple[Service, ...]
    workload: Workload
    policy: str
    world: WorldSettings = field(default_factory=WorldSettings)
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)
