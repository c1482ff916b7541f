"""scenario.yaml: a world to simulate, its servers, services and traffic."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from perllm.config.kinds import Count, ModelName, Name, NotNegative, Positive, Section, Share, Text
from perllm.config.server_schema import ServerSection
from perllm.config.service_schema import SchedulerSection, ServiceSection
from perllm.config.world_schema import WorldSection


class LengthsSection(Section, frozen=True, kw_only=True):
    """Lengths in tokens: log-normal around `median`, cut at `minimum` and `maximum`.

    `sigma` is the standard deviation of the logarithm; 0 gives always the median.
    """

    median: Positive
    sigma: NotNegative
    minimum: Count = 1
    maximum: Count

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if not self.minimum <= self.median <= self.maximum:
            raise ValueError("minimum, median and maximum must be in that order")


class LoadSection(Section, frozen=True, kw_only=True):
    """One service's part in the traffic. Of its clients `leaving_fraction` hang up after about `leaving_after_s`."""

    share: Positive
    model: ModelName
    prompt_tokens: LengthsSection
    output_tokens: LengthsSection
    max_output_tokens: Count | None = None
    stream_fraction: Share = 1.0
    bytes_per_prompt_token: Positive = 4.0
    overhead_bytes: Annotated[int, Meta(ge=0, description="a whole number, 0 or above")] = 300
    leaving_fraction: Share = 0.0
    leaving_after_s: Positive = 1.0


class WorkloadSection(Section, frozen=True, kw_only=True):
    """How many requests come, how fast, and of which services."""

    requests: Count
    rate_per_s: Positive
    loads: Annotated[dict[Name, LoadSection], Meta(min_length=1, description="one entry for every service")]


class ScenarioFile(Section, frozen=True, kw_only=True):
    """The whole file."""

    name: Text
    servers: Annotated[dict[Name, ServerSection], Meta(min_length=1, description="at least one server")]
    services: Annotated[dict[Name, ServiceSection], Meta(min_length=1, description="at least one service")]
    workload: WorkloadSection
    scheduler: SchedulerSection = SchedulerSection()
    world: WorldSection = WorldSection()
