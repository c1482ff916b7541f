"""scenario.yaml: a world to simulate, its servers and services; the traffic's sections are in `workload_schema`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from perllm.config.kinds import Name, Section, Text
from perllm.config.server_schema import ServerSection
from perllm.config.service_schema import SchedulerSection, ServiceSection
from perllm.config.workload_schema import WorkloadSection
from perllm.config.world_schema import WorldSection


class ScenarioFile(Section, frozen=True, kw_only=True):
    """The whole file."""

    name: Text
    servers: Annotated[dict[Name, ServerSection], Meta(min_length=1, description="at least one server")]
    services: Annotated[dict[Name, ServiceSection], Meta(min_length=1, description="at least one service")]
    workload: WorkloadSection
    scheduler: SchedulerSection = SchedulerSection()
    world: WorldSection = WorldSection()
