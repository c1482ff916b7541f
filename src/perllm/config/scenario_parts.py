"""A scenario's file to the scenario the simulator runs."""

from __future__ import annotations

from pathlib import Path

from perllm.config.scenario_schema import LengthsSection, LoadSection, ScenarioFile, WorkloadSection
from perllm.config.values import scheduler_settings, server_value, service_value
from perllm.config.world_parts import world_settings
from perllm.simulation.scenario import Lengths, Scenario, ServiceLoad, Workload


def scenario_value(file: ScenarioFile, folder: Path) -> Scenario:
    """Make the scenario; its servers answer for the names in their own `models`.

    Files that it names are looked for in `folder`. Raises ConfigError for one that cannot be read.
    """
    return Scenario(
        name=file.name,
        servers=tuple(server_value(name, section, section.models) for name, section in file.servers.items()),
        services=tuple(service_value(name, section) for name, section in file.services.items()),
        workload=_workload(file.workload),
        policy=file.scheduler.policy,
        world=world_settings(file.world, folder),
        scheduler=scheduler_settings(file.scheduler),
    )


def _workload(section: WorkloadSection) -> Workload:
    return Workload(
        requests=section.requests,
        rate_per_s=section.rate_per_s,
        loads={name: _load(load) for name, load in section.loads.items()},
    )


def _load(section: LoadSection) -> ServiceLoad:
    return ServiceLoad(
        share=section.share,
        model=section.model,
        prompt_tokens=_lengths(section.prompt_tokens),
        output_tokens=_lengths(section.output_tokens),
        max_output_tokens=section.max_output_tokens,
        stream_fraction=section.stream_fraction,
        bytes_per_prompt_token=section.bytes_per_prompt_token,
        overhead_bytes=section.overhead_bytes,
        leaving_fraction=section.leaving_fraction,
        leaving_after_s=section.leaving_after_s,
    )


def _lengths(section: LengthsSection) -> Lengths:
    return Lengths(median_tokens=section.median, sigma=section.sigma, minimum=section.minimum, maximum=section.maximum)
