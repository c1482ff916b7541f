"""A scenario's file arrives whole in the scenario that is run."""

from collections.abc import Collection
from dataclasses import fields, is_dataclass
from typing import Any

from perllm.accounting.idle import IdleAccounting
from perllm.config.scenario_parts import scenario_value
from perllm.scheduling.settings import SchedulerSettings
from perllm.simulation.lengths import Lengths
from perllm.simulation.scenario import ServiceLoad, Workload, WorldSettings
from perllm.simulation.trouble import Outage, Trouble
from tests.unit.config.files import LENGTHS, LOAD, scenario_file


def test_the_smallest_scenario_has_the_simulators_own_defaults() -> None:
    scenario = scenario_value(scenario_file())

    assert ("test", "cs-ucb") == (scenario.name, scenario.policy)
    assert WorldSettings() == scenario.world
    assert SchedulerSettings() == scenario.scheduler
    lengths = Lengths(median_tokens=20.0, sigma=0.5, minimum=1, maximum=100)
    load = ServiceLoad(share=1.0, model="llama", prompt_tokens=lengths, output_tokens=lengths)
    assert Workload(requests=10, rate_per_s=1.0, loads={"chat": load}) == scenario.workload
    assert [("edge-1", frozenset({"llama"}))] == [(server.server_id, server.models) for server in scenario.servers]


def test_every_key_of_a_load_arrives() -> None:
    own = {
        "share": 2,
        "prompt_tokens": {**LENGTHS, "minimum": 2},
        "max_output_tokens": 50,
        "stream_fraction": 0.5,
        "bytes_per_prompt_token": 3,
        "overhead_bytes": 0,
        "reply_bytes_per_token": 40,
        "leaving_fraction": 0.1,
        "leaving_after_s": 2,
    }

    load = scenario_value(
        scenario_file(workload={"requests": 1, "rate_per_s": 1, "loads": {"chat": {**LOAD, **own}}})
    ).workload.loads["chat"]

    expected = ServiceLoad(
        share=2.0,
        model="llama",
        prompt_tokens=Lengths(median_tokens=20.0, sigma=0.5, minimum=2, maximum=100),
        output_tokens=Lengths(median_tokens=20.0, sigma=0.5, minimum=1, maximum=100),
        max_output_tokens=50,
        stream_fraction=0.5,
        bytes_per_prompt_token=3.0,
        overhead_bytes=0,
        reply_bytes_per_token=40.0,
        leaving_fraction=0.1,
        leaving_after_s=2.0,
    )
    assert expected == load
    # Arrivals and lengths of every kind: test_workload_parts.
    assert differs_everywhere(load, except_for={"model", "output_tokens", "arrivals", "turns"})


def test_every_key_of_the_world_arrives() -> None:
    section = {
        "prior_error": 0,
        "service_noise": 0,
        "link_jitter": 0.3,
        "probe_interval_s": 1,
        "outages": [{"server": "edge-1", "from_s": 1, "to_s": 2}],
        "idle": "powered",
    }

    world = scenario_value(scenario_file(world=section)).world

    expected = WorldSettings(
        prior_error=0.0,
        service_noise=0.0,
        link_jitter=0.3,
        probe_interval_s=1.0,
        trouble=Trouble(outages=(Outage(server_id="edge-1", from_s=1.0, to_s=2.0),)),
        idle=IdleAccounting.POWERED,
    )
    assert expected == world
    assert differs_everywhere(world)


def differs_everywhere(value: Any, except_for: Collection[str] = ()) -> bool:
    """Say whether no field is at its default: a field that is added must get a key, or be listed here."""
    assert is_dataclass(value)
    return all(getattr(value, each.name) != each.default for each in fields(value) if each.name not in except_for)
