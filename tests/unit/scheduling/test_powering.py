"""When servers are told to sleep and to wake, seen from outside the brain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from perllm.domain.action import Action, Dispatch, PowerState, SetPower
from perllm.domain.profile import PowerProfile
from perllm.domain.reason import Violation
from perllm.domain.request import Requirement
from perllm.domain.server import Server, Tier
from perllm.domain.service import Service
from perllm.domain.telemetry import Health
from perllm.scheduling.demand import QUICK_S
from perllm.scheduling.scheduler import Scheduler
from tests.unit.scheduling.builders import CHAT, completed, dispatch_of, explanation_of, request, scheduler
from tests.unit.scheduling.plans import DOZER

TWO = (replace(DOZER, server_id="one"), replace(DOZER, server_id="two"))
BREAK_EVEN_S = 60.0
# Asked for by few, and with time to spare; the second server draws so much that it sleeps where it may.
PATIENT = replace(CHAT, name="patient", requirement=Requirement(total_s=60.0), servers=frozenset({"two"}))
THIRSTY = (TWO[0], replace(TWO[1], power=PowerProfile(idle_w=90.0, prefill_w=99.0, decode_w=99.0, decode_full_w=99.0)))
Told = list[tuple[float, str, PowerState]]


def commands(actions: Iterable[Action], at_s: float) -> Told:
    return [(at_s, action.server_id, action.state) for action in actions if isinstance(action, SetPower)]


def started(*servers: Server, services: Sequence[Service] = (CHAT,), **settings: Any) -> Scheduler:
    brain = scheduler(*servers, services=services, **{"policy": "cs-ucb:company=false"} | settings)
    assert [] == commands(brain.configure(servers, services, 0.0), 0.0)
    return brain


def wait(brain: Scheduler, until_s: float) -> Told:
    """Let the timers fire until an instant; return what servers were told."""
    told: Told = []
    while (at_s := brain.wake_at_s) is not None and at_s <= until_s:
        told += commands(brain.wake(at_s), at_s)
    return told


def serve(brain: Scheduler, from_s: float, until_s: float, every_s: float, takes_s: float = 1.0) -> Told:
    """Send requests one after the other, each answered after a while; return what servers were told."""
    told: Told = []
    closes: list[tuple[float, str]] = []
    number, at_s = 0, from_s
    while at_s < until_s:
        while closes and closes[0][0] <= at_s:
            ends_at_s, attempt_id = closes.pop(0)
            told += wait(brain, ends_at_s)
            told += commands(brain.close(attempt_id, completed(), ends_at_s), ends_at_s)
        told += wait(brain, at_s)
        actions = brain.submit(request(f"{from_s}/{number}"), at_s)
        told += commands(actions, at_s)
        closes.append((at_s + takes_s, dispatch_of(actions).attempt_id))
        number, at_s = number + 1, at_s + every_s
    for ends_at_s, attempt_id in closes:
        told += wait(brain, ends_at_s)
        told += commands(brain.close(attempt_id, completed(), ends_at_s), ends_at_s)
    return told


def asleep() -> Scheduler:
    """Return a brain that has sent the second of two servers to sleep, a while ago."""
    brain = started(*TWO)
    assert [("two", PowerState.ASLEEP)] == [(server, state) for _, server, state in serve(brain, 0.0, 200.0, 5.0)]
    return brain


def test_a_server_sleeps_once_it_has_been_spare_for_as_long_as_pays_and_then_stays_asleep() -> None:
    brain = started(*TWO)
    told = serve(brain, 0.0, 1000.0, 5.0)

    assert [("two", PowerState.ASLEEP)] == [(server_id, state) for _, server_id, state in told]
    assert max(BREAK_EVEN_S, QUICK_S) <= told[0][0] <= max(BREAK_EVEN_S, QUICK_S) + 15.0


def test_dear_waking_is_paid_for_by_a_longer_wait() -> None:
    dear = [replace(server, rests=(replace(server.rests[0], wake_j=3000.0),)) for server in TWO]
    ((at_s, _, _),) = serve(started(*dear), 0.0, 1000.0, 5.0)

    assert (3000.0 + 15 * 14) / 12 <= at_s <= (3000.0 + 15 * 14) / 12 + 15.0


def test_under_a_steady_load_that_needs_both_nobody_sleeps() -> None:
    assert [] == serve(started(*TWO), 0.0, 600.0, 0.3)


def test_when_more_comes_a_sleeper_is_woken_before_the_others_are_full() -> None:
    brain = asleep()
    told = serve(brain, 205.0, 300.0, 0.35)

    assert [("two", PowerState.AWAKE)] == [(server_id, state) for _, server_id, state in told]
    assert told[0][0] < 250.0


def test_policies_that_do_not_sleep_keep_everybody_awake() -> None:
    assert [] == serve(started(*TWO, policy="energy-greedy"), 0.0, 600.0, 5.0)


def test_settings_go_before_the_policy() -> None:
    assert [] == serve(started(*TWO, power=False), 0.0, 600.0, 5.0)
    assert [] != serve(started(*TWO, policy="least-outstanding", power=True), 0.0, 600.0, 5.0)


def test_servers_that_obey_no_command_are_told_nothing() -> None:
    servers = [replace(server, rests=(replace(server.rests[0], on_command=False, after_s=60.0),)) for server in TWO]
    brain = started(*servers)

    assert [] == serve(brain, 0.0, 600.0, 5.0)


def test_the_only_server_of_a_service_is_left_to_it_even_if_nothing_comes() -> None:
    pinned = replace(CHAT, name="pinned", requirement=Requirement(total_s=4.0), servers=frozenset({"two"}))
    told = serve(started(*TWO, services=(CHAT, pinned)), 0.0, 600.0, 5.0)

    assert [("one", PowerState.ASLEEP)] == [(server_id, state) for _, server_id, state in told]


def test_the_only_server_of_a_tier_is_left_to_who_may_not_leave_it() -> None:
    cloud = replace(DOZER, server_id="cloud", tier=Tier.CLOUD)
    private = replace(CHAT, name="private", requirement=Requirement(total_s=4.0), tiers=frozenset({Tier.EDGE}))
    told = serve(started(cloud, TWO[0], services=(CHAT, private)), 0.0, 600.0, 5.0)

    assert [("cloud", PowerState.ASLEEP)] == [(server_id, state) for _, server_id, state in told]


def test_whoever_is_patient_enough_may_have_to_wake_the_only_server() -> None:
    brain = started(*THIRSTY, services=(CHAT, PATIENT))
    serve(brain, 0.0, 200.0, 5.0)
    actions = brain.submit(request("late", service="patient", requirement=PATIENT.requirement), 201.0)

    # Woken before the request is sent there, and the time of waking stands in its estimate.
    assert [SetPower, Dispatch] == [type(action) for action in actions]
    assert "two" == dispatch_of(actions).server_id
    assert (dispatch_of(actions).predicted_total_s or 0.0) > 15.0
    assert [] == wait(brain, 300.0)
    # Spare again for long enough by then, it goes back to sleep.
    closed = brain.close(dispatch_of(actions).attempt_id, completed(), 301.0)
    assert [(301.0, "two", PowerState.ASLEEP)] == commands(closed, 301.0)


def test_who_is_on_standby_is_left_alone_while_somebody_awake_can_serve() -> None:
    brain = asleep()
    explanation = explanation_of(dispatch_of(brain.submit(request("r"), 201.0)))

    assert [None, Violation.ON_STANDBY] == list(explanation.violations)


def test_waking_is_part_of_what_a_sleeper_costs() -> None:
    brain = started(*THIRSTY, services=(CHAT, PATIENT))
    serve(brain, 0.0, 200.0, 5.0)
    late = request("r", service="patient", requirement=PATIENT.requirement)
    explanation = explanation_of(dispatch_of(brain.submit(late, 201.0)))

    assert explanation.energy_j[1] > 510.0 + 15.0 * 90.0


def test_a_server_with_a_request_on_it_is_drained_first() -> None:
    brain = started(*THIRSTY, services=(CHAT, PATIENT))
    long = dispatch_of(brain.submit(request("long", service="patient", requirement=PATIENT.requirement), 0.0))

    assert [] == serve(brain, 0.0, 300.0, 5.0)
    assert [(301.0, "two", PowerState.ASLEEP)] == commands(brain.close(long.attempt_id, completed(), 301.0), 301.0)


def test_a_probe_from_before_the_command_does_not_make_a_sleeper_look_awake() -> None:
    brain = asleep()
    brain.observe(Health(server_id="two", healthy=True, measured_at_s=10.0), 201.0)

    assert Violation.ON_STANDBY in explanation_of(dispatch_of(brain.submit(request("r"), 202.0))).violations


def test_a_probe_after_the_command_shows_that_it_was_not_obeyed() -> None:
    brain = asleep()
    brain.observe(Health(server_id="two", healthy=True, measured_at_s=201.0), 201.0)

    assert [None, None] == list(explanation_of(dispatch_of(brain.submit(request("r"), 202.0))).violations)


def test_a_server_that_is_found_asleep_is_not_counted_on() -> None:
    brain = started(*TWO)
    brain.observe(Health(server_id="one", healthy=True, measured_at_s=1.0, ready_in_s=15.0), 1.0)

    assert [Violation.ON_STANDBY, None] == list(explanation_of(dispatch_of(brain.submit(request("r"), 2.0))).violations)


def test_when_the_last_one_awake_fails_a_sleeper_is_woken() -> None:
    brain = asleep()
    told: Told = []
    for at_s in (201.0, 206.0):
        told += commands(brain.observe(Health(server_id="one", healthy=False, measured_at_s=at_s), at_s), at_s)
    told += wait(brain, 215.0)

    assert [("two", PowerState.AWAKE)] == [(server_id, state) for _, server_id, state in told]


def test_who_may_no_longer_sleep_is_woken_and_who_stays_stays_asleep() -> None:
    assert [] == commands((brain := asleep()).configure(TWO, (CHAT,), 201.0), 201.0)
    sleepless = (TWO[0], replace(TWO[1], rests=()))

    assert [(202.0, "two", PowerState.AWAKE)] == commands(brain.configure(sleepless, (CHAT,), 202.0), 202.0)


@pytest.mark.parametrize("policy", ["cs-ucb", "least-outstanding", "round-robin", "energy-greedy"])
@pytest.mark.parametrize(("busy", "sleeps"), [("one", ["two"]), ("two", ["one"])])
def test_nothing_is_ever_running_on_a_server_that_is_told_to_sleep(policy: str, busy: str, sleeps: list[str]) -> None:
    brain = started(*TWO, policy=policy, power=True)
    brain.submit(request("long", allowed_servers=frozenset({busy}), requirement=Requirement()), 0.0)
    told = serve(brain, 0.0, 400.0, 4.0)

    assert sleeps == [server_id for _, server_id, _ in told]
