"""Law 3: what is hidden moves no decision before its first sign."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings
from msgspec import structs

from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.domain.action import Dispatch, Refuse
from perllm.domain.entry import Entry, EventKind
from perllm.journal.recording import Recording
from perllm.scheduling.policies import REGISTRY, make_policy
from perllm.scheduling.scheduler import Scheduler
from perllm.simulation.job import Job
from perllm.simulation.probes import Probes
from perllm.simulation.scenario import Scenario
from perllm.simulation.simulator import Simulator
from perllm.simulation.workload import jobs
from perllm.simulation.world import World

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SCENARIO = scenario_value(load_scenario(SCENARIOS / "small.yaml"))
SHORT = replace(SCENARIO, workload=replace(SCENARIO.workload, requests=40))
TALKING = scenario_value(load_scenario(SCENARIOS / "conversations.yaml"))
TALK = replace(TALKING, workload=replace(TALKING.workload, requests=80, rate_per_s=6.0))


@settings(max_examples=60, deadline=None)
@given(
    policy=st.sampled_from([*sorted(REGISTRY), "cs-ucb-paper:slot_s=0.5", "fineinfer-rr:cap=2:join=false"]),
    seed=st.integers(0, 1000),
    changed=st.integers(0, 39),
    output_tokens=st.integers(1, 500),
    service_factor=st.floats(0.3, 3.0),
)
def test_no_decision_moves_before_the_first_sign_of_a_hidden_change(
    policy: str, seed: int, changed: int, output_tokens: int, service_factor: float
) -> None:
    before = list(jobs(SHORT, seed))
    at_s, job = before[changed]
    truth = structs.replace(job.truth, output_tokens=output_tokens, service_factor=service_factor)
    after = [*before[:changed], (at_s, structs.replace(job, truth=truth)), *before[changed + 1 :]]

    entries, others = entries_of(policy, seed, before), entries_of(policy, seed, after)

    sign_at_s = first_difference_s(entries, others)
    assert decisions(entries, sign_at_s) == decisions(others, sign_at_s)
    assert sign_at_s > at_s


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), changed=st.integers(0, 79), output_tokens=st.integers(1, 400))
def test_no_decision_knows_what_a_cache_holds_before_it_is_told(seed: int, changed: int, output_tokens: int) -> None:
    before = list(jobs(TALK, seed))
    at_s, job = before[changed]
    truth = structs.replace(job.truth, output_tokens=output_tokens, blocks=(), answer_blocks=())
    after = [*before[:changed], (at_s, structs.replace(job, truth=truth)), *before[changed + 1 :]]

    entries, others = (entries_of("cs-ucb", seed, arrivals, TALK) for arrivals in (before, after))

    sign_at_s = first_difference_s(entries, others)
    assert decisions(entries, sign_at_s) == decisions(others, sign_at_s)
    assert sign_at_s > at_s


def entries_of(policy: str, seed: int, arrivals: list[tuple[float, Job]], scenario: Scenario = SHORT) -> list[Entry]:
    """Run the arrivals and return every event with what was decided."""
    entries: list[Entry] = []
    brain = Recording(
        Scheduler(
            servers=scenario.servers,
            services=scenario.services,
            policy=make_policy(policy),
            rng=np.random.default_rng(seed),
            settings=scenario.scheduler,
        ),
        [entries.append],
    )
    world = World(scenario.servers, scenario.world, seed)
    simulator = Simulator(brain=brain, world=world, arrivals=arrivals, probes=Probes(world, scenario.world))
    brain.configure(scenario.servers, scenario.services, 0.0)
    simulator.run()
    return entries


def first_difference_s(entries: list[Entry], others: list[Entry]) -> float:
    """Return the instant of the first event that the two runs do not share; timers are no signs of the world."""
    for entry, other in zip(signs(entries), signs(others), strict=False):
        if told(entry) != told(other):
            return min(entry.at_s, other.at_s)
    return float("inf")


def signs(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.kind != EventKind.WAKE]


def told(entry: Entry) -> tuple[object, ...]:
    return entry.at_s, entry.kind, entry.subject, entry.value


def decisions(entries: list[Entry], before_s: float) -> list[tuple[object, ...]]:
    return [
        (entry.at_s, action.request_id, action.server_id if isinstance(action, Dispatch) else action.reason)
        for entry in entries
        if entry.at_s < before_s
        for action in entry.actions
        if isinstance(action, Dispatch | Refuse)
    ]
