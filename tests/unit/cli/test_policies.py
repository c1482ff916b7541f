"""`perllm policies` lists what can be chosen."""

import json

from perllm.simulation.contenders import SIMULATED
from tests.unit.cli.terminal import type_in


def test_every_policy_is_listed_with_what_it_does() -> None:
    listed = json.loads(type_in("policies", "--json", "-").stdout)

    assert list(SIMULATED) == [entry["name"] for entry in listed]
    assert all(entry["summary"].endswith(".") for entry in listed)


def test_what_may_be_set_is_listed_with_its_defaults() -> None:
    listed = {entry["name"]: entry["options"] for entry in json.loads(type_in("policies", "--json", "-").stdout)}

    assert {"per_slot": False} == listed["power-of-two"]
    assert {"quirks": True, "buffer": 0.0, "window": 10, "ttl_s": 3600.0} == listed["lowest-latency"]
    assert "quirks=true" in type_in("policies").stdout


def test_people_get_a_table() -> None:
    shown = type_in("policies")

    assert [] == [name for name in SIMULATED if f"\n{name} " not in shown.stdout]
