"""A scenario's file to the scenario the simulator runs."""

from __future__ import annotations

from perllm.config.scenario_schema import ScenarioFile
from perllm.config.values import scheduler_settings, server_value, service_value
from perllm.config.workload_parts import workload_value
from perllm.config.world_parts import world_settings
from perllm.simulation.scenario import Scenario


def scenario_value(file: ScenarioFile) -> Scenario:
    """Make the scenario; its servers answer for the names in their own `models`.

    Raises ConfigError for a file named in it that cannot be read.
    """
    return Scenario(
        name=file.name,
        servers=tuple(server_value(name, section, section.models) for name, section in file.servers.items()),
        services=tuple(service_value(name, section) for name, section in file.services.items()),
        workload=workload_value(file.workload),
        policy=file.scheduler.policy,
        world=world_settings(file.world),
        scheduler=scheduler_settings(file.scheduler),
    )
