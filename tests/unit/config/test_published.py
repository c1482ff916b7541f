"""The files that are published with PerLLM work, and the docs describe every key."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perllm.config.catalogue import device_names, model_names
from perllm.config.gateway_parts import gateway_parts
from perllm.config.loader import load_gateway, load_scenario
from perllm.config.networks import NETWORKS, Network
from perllm.config.presets import preset_names
from perllm.config.review import review
from perllm.config.scenario_parts import scenario_value
from perllm.config.scenario_schema import ScenarioFile
from perllm.config.schema import GatewayFile
from perllm.domain.server import Tier

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "configure.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_an_example_works_without_a_service_that_cannot(path: Path) -> None:
    parts = gateway_parts(load_gateway(path), {"OPENAI_API_KEY": "secret"}, str(path))

    warnings = review(parts.servers, parts.services, {}).warnings

    assert [] == [warning for warning in warnings if warning.startswith("service")]


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda path: path.name)
def test_a_scenario_works(path: Path) -> None:
    scenario = scenario_value(load_scenario(path))

    assert path.stem == scenario.name
    assert {Tier.EDGE, Tier.CLOUD} == {server.tier for server in scenario.servers}
    assert {service.name for service in scenario.services} == scenario.workload.loads.keys()


@pytest.mark.parametrize("schema", [GatewayFile, ScenarioFile])
def test_every_key_stands_in_the_docs(schema: type[msgspec.Struct]) -> None:
    words = {word for code in re.findall(r"`([^`]+)`", DOCS) for word in re.split(r"[^a-z_0-9]+", code)}

    assert [] == sorted(set(keys_of(schema)) - words)


@pytest.mark.parametrize("names", [preset_names(), device_names(), model_names(), list(Network)])
def test_every_preset_device_model_and_network_stands_in_the_docs(names: list[str]) -> None:
    assert [] == [name for name in names if f"`{name}`" not in DOCS]


def test_the_docs_have_the_energies_of_networks() -> None:
    rows = [
        f"| `{network.value}` | {energy.nj_per_bit:,g} | {energy.coefficient.value} | {energy.source} |"
        for network, energy in NETWORKS.items()
    ]

    assert [] == [row for row in rows if row not in DOCS]


def keys_of(schema: type[msgspec.Struct]) -> Iterator[str]:
    _, definitions = msgspec.json.schema_components([schema])
    for definition in definitions.values():
        yield from properties_of(definition)


def properties_of(definition: dict[str, Any]) -> Iterator[str]:
    yield from definition.get("properties", {})
