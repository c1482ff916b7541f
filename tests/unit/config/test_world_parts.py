"""What a scenario's `world` says goes wrong, goes wrong; what cannot be meant is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perllm.accounting import IdleAccounting
from perllm.config.scenario_parts import scenario_value
from perllm.errors import ConfigError
from perllm.simulation.bandwidth import Chain, Fluctuation, Network, Record, Site
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.trouble import Drift, Lie, LinkOutage, Outage, OutageKind, Slowdown, Tenant, Trouble
from tests.unit.config.files import scenario_file

LASTING = {"server": "edge-1", "from_s": 1, "to_s": 2}
TENANT = {"server": "edge-1", "rate_per_s": 2, "prompt_tokens": 100, "output_tokens": 30}
SITE = {"servers": ["edge-1"], "up_mbit_per_s": 8, "down_mbit_per_s": 80}


def world_of(**section: Any) -> WorldSettings:
    return scenario_value(scenario_file(world=section)).world


def test_everything_that_goes_wrong_arrives() -> None:
    world = world_of(
        outages=[{**LASTING, "kind": "vanishes"}],
        slowdowns=[{**LASTING, "factor": 3}],
        drifts=[{"server": "edge-1", "factor_per_hour": 1.1, "limit": 2}],
        tenants=[{**TENANT, "from_s": 5, "to_s": 9}],
        lies=[{**LASTING, "healthy": False}],
        telemetry_delay_s=4,
        idle="none",
    )

    lasting = {"server_id": "edge-1", "from_s": 1.0, "to_s": 2.0}
    trouble = Trouble(
        outages=(Outage(**lasting, kind=OutageKind.VANISHES),),  # type: ignore[arg-type]
        slowdowns=(Slowdown(**lasting, factor=3.0),),  # type: ignore[arg-type]
        drifts=(Drift(server_id="edge-1", factor_per_hour=1.1, limit=2.0),),
        tenants=(
            Tenant(server_id="edge-1", rate_per_s=2.0, prompt_tokens=100, output_tokens=30, from_s=5.0, to_s=9.0),
        ),
        lies=(Lie(**lasting, healthy=False),),  # type: ignore[arg-type]
        telemetry_delay_s=4.0,
    )
    assert WorldSettings(trouble=trouble, idle=IdleAccounting.NONE) == world


def test_links_and_sites_arrive_in_bytes_a_second() -> None:
    world = world_of(
        sites={"house": SITE},
        link_outages=[{"place": "house", "from_s": 1, "to_s": 2}],
        bandwidth={"fluctuates": {"spread": 0.2}, "places": ["edge-1"]},
    )

    assert world.network == Network(
        change=Fluctuation(spread=0.2, every_s=1.0),
        varying=("edge-1",),
        sites=(Site(name="house", servers=("edge-1",), up_bytes_per_s=1e6, down_bytes_per_s=1e7),),
        outages=(LinkOutage(place="house", from_s=1.0, to_s=2.0),),
    )


def test_a_chain_arrives() -> None:
    world = world_of(bandwidth={"markov": {"levels": [1, 0.3], "stays_s": [10, 2]}})

    assert Network(change=Chain(levels=(1.0, 0.3), stays_s=(10.0, 2.0))) == world.network


@pytest.mark.parametrize("head", ["", "at_s,factor\n", "at_s, factor\n"])
def test_a_record_is_read_with_or_without_its_head(head: str, tmp_path: Path) -> None:
    file = tmp_path / "bandwidth.csv"
    file.write_text(f"{head}0,1\n2.5,0.25\n")

    world = world_of(bandwidth={"file": str(file)})

    assert Network(change=Record(rows=((0.0, 1.0), (2.5, 0.25)))) == world.network


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1\n2,fast\n", "line 2 is no instant and factor: '2,fast'"),
        ("0,1\n2\n", "line 2 is"),
        ("0,1\n0,2\n", "line 2 is"),
        ("-0.5,1\n", "line 1 is"),
        ("0,-1\n", "line 1 is"),
        ("0,nan\n", "line 1 is"),
        ("inf,1\n", "line 1 is"),
        ("at_s,factor\n", "is empty"),
        ("", "is empty"),
    ],
)
def test_a_record_that_is_malformed_is_refused_naming_its_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bandwidth.csv"
    file.write_text(text)

    with pytest.raises(ConfigError, match=message) as caught:
        world_of(bandwidth={"file": str(file)})
    assert str(file) in str(caught.value)


def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")

    for file in (tmp_path / "missing.csv", binary):
        with pytest.raises(ConfigError, match="cannot be read"):
            world_of(bandwidth={"file": str(file)})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"outages": [{**LASTING, "to_s": 1}]}, "to_s must be later"),
        ({"outages": [LASTING, {**LASTING, "from_s": 1.5, "to_s": 4}]}, "two outages of edge-1 overlap"),
        ({"slowdowns": [{**LASTING, "factor": 0}]}, "factor"),
        ({"drifts": [{"server": "edge-1", "factor_per_hour": 1.1, "limit": 0.5}]}, "different sides of 1"),
        ({"drifts": [{"server": "edge-1", "factor_per_hour": 0.9, "limit": 2}]}, "different sides of 1"),
        ({"tenants": [{**TENANT, "from_s": 5, "to_s": 4}]}, "to_s must be later"),
        ({"lies": [{**LASTING, "server": "edge-2", "healthy": True}]}, "no server called 'edge-2'"),
        ({"link_outages": [{"place": "hut", "from_s": 1, "to_s": 2}]}, "no server or site called 'hut'"),
        ({"bandwidth": {"fluctuates": {"spread": 0.2}, "places": ["hut"]}}, "no server or site called 'hut'"),
        ({"bandwidth": {}}, "give one of"),
        ({"bandwidth": {"fluctuates": {"spread": 0.2}, "file": "b.csv"}}, "give one of"),
        ({"bandwidth": {"fluctuates": {"spread": 1}}}, "spread"),
        ({"bandwidth": {"markov": {"levels": [1, 0.5], "stays_s": [1]}}}, "as many entries"),
        ({"sites": {"house": SITE, "hut": SITE}}, "two sites"),
        ({"sites": {"edge-1": SITE}}, "a server has this name too"),
    ],
)
def test_what_cannot_be_meant_is_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        world_of(**section)
