"""A scenario's file to the scenario the simulator runs."""

from __future__ import annotations

from perllm.config.scenario_schema import ScenarioFile, WorldSection
from perllm.config.values import scheduler_settings, server_value, service_value
from perllm.config.workload_parts import workload_value
from perllm.simulation.scenario import Outage, Scenario, WorldSettings


def scenario_value(file: ScenarioFile) -> Scenario:
    """Make the scenario; its servers answer for the names in their own `models`."""
    return Scenario(
        name=file.name,
        servers=tuple(server_value(name, section, section.models) for name, section in file.servers.items()),
        services=tuple(service_value(name, section) for name, section in file.services.items()),
        workload=workload_value(file.workload),
        policy=file.scheduler.policy,
        world=_world(file.world),
        scheduler=scheduler_settings(file.scheduler),
    )


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
