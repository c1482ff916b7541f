"""`perllm policies` lists what can be chosen."""

import json

from perllm.scheduling.policies import REGISTRY
from tests.unit.cli.terminal import type_in


def test_every_policy_is_listed_with_what_it_does() -> None:
    listed = json.loads(type_in("policies", "--json", "-").stdout)

    assert list(REGISTRY) == [entry["name"] for entry in listed]
    assert all(entry["summary"].endswith(".") for entry in listed)


def test_people_get_a_table() -> None:
    shown = type_in("policies")

    assert [] == [name for name in REGISTRY if f"\n{name} " not in shown.stdout]
