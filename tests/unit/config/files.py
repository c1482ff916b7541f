"""Small files to change and break."""

from collections.abc import Mapping
from typing import Any

import yaml

from perllm.config.gateway_parts import GatewayParts, gateway_parts
from perllm.config.loader import read_gateway, read_scenario
from perllm.config.scenario_schema import ScenarioFile
from perllm.config.schema import GatewayFile

SERVER: Mapping[str, Any] = {"url": "http://127.0.0.1:8080", "tier": "edge", "models": ["llama"]}
LENGTHS: Mapping[str, Any] = {"median": 20, "sigma": 0.5, "maximum": 100}
LOAD: Mapping[str, Any] = {"share": 1, "model": "llama", "prompt_tokens": LENGTHS, "output_tokens": LENGTHS}
SCENARIO: Mapping[str, Any] = {
    "name": "test",
    "servers": {"edge-1": {"tier": "edge", "models": ["llama"]}},
    "services": {"chat": {}},
    "workload": {"requests": 10, "rate_per_s": 1, "loads": {"chat": LOAD}},
}


def gateway_file(server: Mapping[str, Any] | None = None, **sections: Any) -> GatewayFile:
    """Read a perllm.yaml with one server, `edge-1`, that has these keys besides the required ones."""
    return read_gateway(gateway_text(server, **sections), "perllm.yaml")


def gateway_text(server: Mapping[str, Any] | None = None, **sections: Any) -> str:
    return as_yaml({"servers": {"edge-1": {**SERVER, **(server or {})}}, **sections})


def parts_of(file: GatewayFile, **environ: str) -> GatewayParts:
    return gateway_parts(file, environ, "perllm.yaml")


def scenario_file(**sections: Any) -> ScenarioFile:
    """Read a scenario.yaml, with these sections instead of the usual ones."""
    return read_scenario(scenario_text(**sections), "scenario.yaml")


def scenario_text(**sections: Any) -> str:
    return as_yaml({**SCENARIO, **sections})


def as_yaml(tree: Mapping[str, Any]) -> str:
    """Write YAML without anchors for what stands in several places."""
    dumper = yaml.SafeDumper
    lines: str = yaml.dump(_copied(tree), Dumper=dumper, sort_keys=False)
    return lines


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list | tuple) else value
