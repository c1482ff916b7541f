"""scenario.yaml: a world to simulate, its servers and services; the traffic's sections are in `workload_schema`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from perllm.accounting.idle import IdleAccounting
from perllm.config.kinds import Name, NotNegative, Positive, Section, Share, Text
from perllm.config.server_schema import ServerSection
from perllm.config.service_schema import SchedulerSection, ServiceSection
from perllm.config.workload_schema import WorkloadSection


class OutageSection(Section, frozen=True, kw_only=True):
    """A time at which a server does not answer, in seconds from the start."""

    server: Name
    from_s: NotNegative
    to_s: Positive

    def __post_init__(self) -> None:
        """Refuse an outage that ends before it begins."""
        if self.to_s <= self.from_s:
            raise ValueError("to_s must be later than from_s")


class WorldSection(Section, frozen=True, kw_only=True):
    """What the scheduler is not told: how far the truth lies from the profiles, and what goes wrong."""

    prior_error: Share = 0.2
    service_noise: NotNegative = 0.05
    link_jitter: NotNegative = 0.1
    probe_interval_s: Positive = 5.0
    outages: tuple[OutageSection, ...] = ()
    idle: IdleAccounting = IdleAccounting.ALL


class ScenarioFile(Section, frozen=True, kw_only=True):
    """The whole file."""

    name: Text
    servers: Annotated[dict[Name, ServerSection], Meta(min_length=1, description="at least one server")]
    services: Annotated[dict[Name, ServiceSection], Meta(min_length=1, description="at least one service")]
    workload: WorkloadSection
    scheduler: SchedulerSection = SchedulerSection()
    world: WorldSection = WorldSection()
