"""Decisions over a large fleet are those that looking at one server after the other would give."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from msgspec.structs import replace

from perllm.domain.action import Action, Dispatch, SetPower
from perllm.domain.profile import Rest
from perllm.domain.reason import Violation
from perllm.domain.request import Requirement
from perllm.domain.server import Server
from perllm.domain.service import WhenInfeasible
from perllm.domain.telemetry import Health
from perllm.scheduling.policies.cs_ucb import CsUcb
from perllm.scheduling.policies.energy_greedy import EnergyGreedy
from perllm.scheduling.policies.least_outstanding import LeastOutstanding
from perllm.scheduling.policy import Policy
from perllm.scheduling.scheduler import Scheduler
from tests.unit.scheduling.builders import CHAT, CLOUD, EDGE, completed, failed, request, scheduler
from tests.unit.scheduling.fleets import SIZE

NAP = Rest(watts=2.0, wake_s=1.0, wake_j=20.0, on_command=True)
SERVICES = (
    replace(CHAT, when_infeasible=WhenInfeasible.REFUSE),
    replace(CHAT, name="few", servers=frozenset({"s3", "s4", "s120"})),
    replace(CHAT, name="most", servers=frozenset(f"s{number}" for number in range(0, SIZE, 2))),
)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr("perllm.scheduling.judging.LARGE", 10**9)


def fleet(seed: int) -> list[Server]:
    rng = np.random.default_rng(seed)
    kinds = [EDGE if rng.random() < 0.8 else CLOUD for _ in range(SIZE)]
    return [
        replace(kind, server_id=f"s{number}", link=replace(kind.link, rtt_s=float(rng.choice([0.0, 0.02, 0.05]))))
        for number, kind in enumerate(kinds)
    ]


def decisions(policy: Policy, servers: list[Server]) -> list[Action]:
    """Return what is done with a few hundred requests, so many at once that they fill the fleet."""
    brain, rng = scheduler(*servers, services=SERVICES, policy=policy), np.random.default_rng(2)
    actions: list[Action] = []
    for server in servers:
        if server.rests:
            asleep = Health(server_id=server.server_id, measured_at_s=0.0, healthy=True, ready_in_s=NAP.wake_s)
            actions += brain.observe(asleep, 0.0)
    sent: deque[str] = deque()
    for number in range(900):
        now_s = number * 0.01
        arrival = request(
            f"r{number}", service=("chat", "few", "most")[number % 3],
            requirement=Requirement(total_s=float(rng.choice([0.5, 1.5, 8.0]))),
            prompt_bytes=int(rng.integers(1, 18000)),
        )  # fmt: skip
        found = [*brain.submit(arrival, now_s), *brain.wake(now_s)]
        if number % 50 == 49:
            fact = Health(server_id=f"s{number % SIZE}", measured_at_s=now_s, healthy=number % 100 == 99)
            found += brain.observe(fact, now_s)
        if number > 400 and sent:
            found += _close(brain, sent.popleft(), number, now_s)
        sent.extend(action.attempt_id for action in found if isinstance(action, Dispatch))
        actions += found
    return actions


def _close(brain: Scheduler, attempt_id: str, number: int, now_s: float) -> list[Action]:
    ending = failed() if number % 20 == 0 else completed(output_tokens=20 + number % 60, infer_j=5.0)
    return list(brain.close(attempt_id, ending, now_s))


def outline(actions: list[Action]) -> list[str]:
    """Leave out estimates, which may differ in the last digit."""
    return [
        f"{type(action).__name__} {getattr(action, 'attempt_id', '')} {getattr(action, 'server_id', '')}"
        f" {getattr(action, 'reason', '')} {getattr(action, 'choice', '')}"
        for action in actions
    ]


@pytest.mark.parametrize(
    "policy", [CsUcb, partial(CsUcb, dial=False), EnergyGreedy, LeastOutstanding],
    ids=["dial", "filter", "joules", "blind"],
)  # fmt: skip
def test_arrays_change_no_decision(policy: Callable[[], Policy], one_by_one: Callable[[], None]) -> None:
    with_arrays = decisions(policy(), fleet(1))
    one_by_one()

    assert outline(with_arrays) == outline(decisions(policy(), fleet(1)))


def test_arrays_change_no_decision_where_servers_sleep(one_by_one: Callable[[], None]) -> None:
    servers = [replace(server, rests=(NAP,)) if number % 3 else server for number, server in enumerate(fleet(1))]
    with_arrays = decisions(CsUcb(), servers)
    one_by_one()

    assert any(isinstance(action, SetPower) for action in with_arrays)
    assert outline(with_arrays) == outline(decisions(CsUcb(), servers))


def test_explanations_are_those_of_a_small_fleet(one_by_one: Callable[[], None]) -> None:
    with_arrays = [action.explanation for action in decisions(CsUcb(), fleet(1)) if isinstance(action, Dispatch)]
    one_by_one()
    plain = [action.explanation for action in decisions(CsUcb(), fleet(1)) if isinstance(action, Dispatch)]

    violations: set[Violation | None] = set()
    for ours, theirs in zip(with_arrays, plain, strict=True):
        assert ours is not None
        assert theirs is not None
        assert list(ours.judged) == list(theirs.judged)
        assert list(ours.violations) == list(theirs.violations)
        assert np.asarray(ours.scores) == pytest.approx(list(theirs.scores), rel=1e-9)
        assert np.asarray(ours.total_s) == pytest.approx(list(theirs.total_s), rel=1e-9, nan_ok=True)
        violations.update(ours.violations)
    assert {Violation.NO_SLOT, Violation.UNHEALTHY, Violation.RESTING, Violation.NOT_ALLOWED} <= violations
