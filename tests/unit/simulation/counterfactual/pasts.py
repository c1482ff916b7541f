"""Runs of the simulator as journals, so that what really happened is known to the last digit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from perllm.domain.entry import Entry
from perllm.journal.header import make_header
from perllm.simulation.counterfactual import EXACT, Past, past_of
from perllm.simulation.scenario import Scenario
from perllm.simulation.simulator import run
from tests.unit.simulation.machines import LOAD, scenario

NOBODY_LEAVES = replace(LOAD, leaving_fraction=0.0)
SEED = 3


def entries_of(played: Scenario) -> list[Entry]:
    """Run a scenario and return what a journal of it would hold."""
    entries: list[Entry] = []
    run(played, SEED, sinks=[entries.append])
    return entries


def told(entries: list[Entry], **changes: Any) -> Past:
    """Return what these entries tell, under the header of a plain run."""
    settings = scenario().scheduler
    header = make_header(policy="round-robin", seed=SEED, settings=settings, started_at="", **changes)
    return past_of(header, enumerate(entries))


def past(**changes: Any) -> Past:
    """Run a scenario in a world without hidden errors and noise, and return its past."""
    played = scenario(**{"load": NOBODY_LEAVES, "world": EXACT, **changes})
    header = make_header(policy=played.policy, seed=SEED, settings=played.scheduler, started_at="")
    return past_of(header, enumerate(entries_of(played)))
