"""Whatever the policy: only a feasible server is chosen, the best scored one, and ties are drawn from the generator."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from perllm.domain.action import Action, Dispatch
from perllm.domain.reason import Choice
from perllm.domain.server import Server, Tier
from perllm.domain.telemetry import Health
from perllm.scheduling.policies import REGISTRY, make_policy
from perllm.scheduling.scheduler import Scheduler
from perllm.scheduling.settings import SchedulerSettings
from tests.unit.scheduling.builders import CHAT, CLOUD, EDGE, completed, dispatch_of, failed, request

SERVICES = (CHAT, replace(CHAT, name="private", tiers=frozenset({Tier.EDGE})))
FLEET = (
    EDGE,
    replace(EDGE, server_id="small", slots=1, kv_tokens=300),
    replace(CLOUD, slots=3),
    replace(CLOUD, server_id="other"),
)
# Options that make a policy decide differently.
CONTENDERS = (
    *sorted(REGISTRY), "random:by_slots=true", "least-outstanding:per_slot=true", "power-of-two:per_slot=true",
    "lowest-latency:quirks=false", "lowest-latency:buffer=0.5", "cs-ucb-paper:slot_s=0.5",
    "fineinfer-rr:cap=2:join=false",
)  # fmt: skip


def brain_of(contender: str, servers: tuple[Server, ...], *, hold: bool | None = None, seed: int = 0) -> Scheduler:
    return Scheduler(
        servers=servers,
        services=SERVICES,
        policy=make_policy(contender),
        rng=np.random.default_rng(seed),
        settings=SchedulerSettings(hold=hold),
    )


def check(dispatch: Dispatch) -> None:
    """Hold a dispatch to what was known when it was chosen."""
    explanation = dispatch.explanation
    assert explanation is not None
    assert explanation.chosen is not None
    if dispatch.choice is Choice.FEASIBLE:
        scores = dict(zip(explanation.judged, explanation.scores, strict=True))
        assert explanation.violations[explanation.chosen] is None
        # A full server may score better without being worth the wait.
        open_rows = [row for row in scores if explanation.violations[row] is None]
        assert max(scores[row] for row in open_rows) == scores[explanation.chosen]


@settings(max_examples=150, deadline=None)
@given(
    contender=st.sampled_from(CONTENDERS),
    hold=st.sampled_from((None, True, False)),
    steps=st.lists(st.tuples(st.sampled_from(("submit", "end", "fail", "probe")), st.integers(0, 100)), max_size=40),
)
def test_no_policy_chooses_a_server_that_breaks_a_constraint(
    contender: str, hold: bool | None, steps: list[tuple[str, int]]
) -> None:
    brain, running = brain_of(contender, FLEET, hold=hold), list[str]()
    for number, (step, pick) in enumerate(steps):
        now_s, actions = number * 0.3, list[Action]()
        if step == "submit":
            service, stream = SERVICES[pick % 2].name, bool(pick % 3)
            actions.extend(brain.submit(request(f"r{number}", service=service, stream=stream), now_s))
        elif step == "probe":
            server_id = FLEET[pick % len(FLEET)].server_id
            actions.extend(brain.observe(Health(server_id=server_id, healthy=pick > 50, measured_at_s=now_s), now_s))
        elif running:
            ending = completed(1 + pick) if step == "end" else failed()
            actions.extend(brain.close(running.pop(pick % len(running)), ending, now_s))
        for action in actions:
            if isinstance(action, Dispatch):
                check(action)
                running.append(action.attempt_id)


def first_choice(contender: str, seed: int) -> str:
    alike = tuple(replace(CLOUD, server_id=f"cloud-{number}") for number in range(3))
    edges = tuple(replace(EDGE, server_id=f"edge-{number}") for number in range(3))
    brain = brain_of(contender, (*alike, *edges), seed=seed)
    # A policy that defers is woken when it wants to.
    return dispatch_of(brain.submit(request(), 0.0) or brain.wake(brain.wake_at_s or 0.0)).server_id


# Networks tell alike servers apart by where they sit, or by what each has been started with.
NETWORKS = {"agod", "rewardless-guidance"}


@pytest.mark.parametrize("contender", [each for each in CONTENDERS if each not in NETWORKS])
def test_among_servers_that_are_alike_the_generator_chooses(contender: str) -> None:
    chosen = [first_choice(contender, seed) for seed in range(20)]

    assert len(set(chosen)) >= 2
    assert chosen == [first_choice(contender, seed) for seed in range(20)]
