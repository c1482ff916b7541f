"""A scenario's file to the scenario the simulator runs."""

from __future__ import annotations

from perllm.config.scenario_schema import LengthsSection, LoadSection, ScenarioFile, WorkloadSection, WorldSection
from perllm.config.values import scheduler_settings, server_value, service_value
from perllm.simulation.lengths import Lengths
from perllm.simulation.scenario import Outage, Scenario, ServiceLoad, Workload, WorldSettings


def scenario_value(file: ScenarioFile) -> Scenario:
    """Make the scenario; its servers answer for the names in their own `models`."""
    return Scenario(
        name=file.name,
        servers=tuple(server_value(name, section, section.models) for name, section in file.servers.items()),
        services=tuple(service_value(name, section) for name, section in file.services.items()),
        workload=_workload(file.workload),
        policy=file.scheduler.policy,
        world=_world(file.world),
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


def _world(section: WorldSection) -> WorldSettings:
    outages = (Outage(server_id=out.server, from_s=out.from_s, to_s=out.to_s) for out in section.outages)
    return WorldSettings(
        prior_error=section.prior_error,
        service_noise=section.service_noise,
        link_jitter=section.link_jitter,
        probe_interval_s=section.probe_interval_s,
        outages=tuple(outages),
        idle=section.idle,
    )
