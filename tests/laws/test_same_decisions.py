"""Law 5: decisions are the same on every Python and NumPy. Their digests stand in decisions.json beside this file.

After a change that is meant to change decisions: python -m tests.laws.test_same_decisions > tests/laws/decisions.json
"""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.domain.entry import Entry
from perllm.journal.replay import decisions_of
from perllm.scheduling.policies import REGISTRY
from perllm.simulation.simulator import run

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).with_name("decisions.json")
SCENARIO = scenario_value(load_scenario(ROOT / "scenarios" / "small.yaml"))
# So loaded that requests wait, come too late and are refused.
RATE_PER_S = 9.0


def digest(policy: str) -> str:
    """Return a digest of every decision of a run, in their order."""
    workload = replace(SCENARIO.workload, rate_per_s=RATE_PER_S)
    entries: list[Entry] = []
    run(replace(SCENARIO, policy=policy, workload=workload), 1, sinks=[entries.append])
    decisions = [decision for entry in entries for decision in decisions_of(entry.actions)]
    assert len(decisions) >= 500
    return sha256(repr(decisions).encode()).hexdigest()


@pytest.mark.parametrize("policy", sorted(REGISTRY))
def test_every_python_decides_alike(policy: str) -> None:
    assert json.loads(RECORDED.read_text())[policy] == digest(policy)


if __name__ == "__main__":
    print(json.dumps({policy: digest(policy) for policy in sorted(REGISTRY)}, indent=2))
