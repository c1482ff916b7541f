"""Machines that fall asleep: what they draw there, and what waking takes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.accounting import IdleAccounting, IdleJoules
from perllm.domain.action import PowerState
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.profile import Rest
from perllm.simulation.engine import Engine
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.trouble import Outage
from perllm.simulation.world import World
from tests.unit.simulation.machines import AT_HAND, exactly, instants, job, reports

UNLOADED = Rest(after_s=10.0, watts=4.0, wake_s=2.0, wake_j=50.0)
ASLEEP = Rest(after_s=60.0, watts=1.0, wake_s=20.0, wake_j=300.0, on_command=True)
SLEEPY = replace(AT_HAND, rests=(UNLOADED, ASLEEP))


def idle(engine: Engine, now_s: float) -> tuple[float, float, float]:
    """Return what has been drawn while powered, while resting and for waking."""
    joules = engine.idle_joules(now_s)
    return joules.powered_j, joules.resting_j, joules.waking_j


def test_an_idle_machine_falls_into_one_rest_after_the_other() -> None:
    engine = Engine(SLEEPY)

    assert (exactly(10 * 10.0), 0.0, 0.0) == idle(engine, 10.0)
    assert (exactly(10 * 10.0), exactly(4 * 50.0), 0.0) == idle(engine, 60.0)
    assert (exactly(10 * 10.0), exactly(4 * 50.0 + 1 * 40.0), 0.0) == idle(engine, 100.0)


def test_when_it_is_asked_changes_nothing() -> None:
    seldom, often = Engine(SLEEPY), Engine(SLEEPY)
    for engine in (seldom, often):
        engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 30.0)
    for at_s in range(30):
        often.idle_joules(float(at_s))
    reports(seldom)
    reports(often)

    assert [exactly(joules) for joules in idle(seldom, 100.0)] == list(idle(often, 100.0))


def test_a_request_waits_until_the_machine_is_awake() -> None:
    engine = Engine(SLEEPY)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 30.0)

    # Twenty seconds unloaded. Waking and working draw idle power too, and ten seconds later it is unloaded again.
    assert {"a": exactly(32.1)} == instants(reports(engine), Ending)
    assert (exactly(10 * 10.0 + 10 * 12.1), exactly(4 * 20.0 + 4 * 5.0), 50.0) == idle(engine, 47.1)


def test_the_deeper_the_rest_the_longer_it_takes_to_wake() -> None:
    engine = Engine(SLEEPY)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 70.0)

    assert {"a": exactly(90.1)} == instants(reports(engine), Ending)
    assert (exactly(10 * 10.0 + 10 * 20.1), exactly(4 * 50.0 + 10.0), 300.0) == idle(engine, 90.1)


def test_before_its_first_rest_a_machine_is_there_at_once() -> None:
    engine = Engine(SLEEPY)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 9.9)

    assert {"a": exactly(10.0)} == instants(reports(engine), Ending)


def test_idling_is_counted_anew_after_every_piece_of_work() -> None:
    engine = Engine(SLEEPY)
    for name, at_s in (("a", 9.0), ("b", 18.0), ("c", 27.0)):
        engine.arrive(name, job(prompt_tokens=99, output_tokens=1), at_s)

    assert {"a": exactly(9.1), "b": exactly(18.1), "c": exactly(27.1)} == instants(reports(engine), Ending)
    assert (exactly(10 * 37.1), 0.0, 0.0) == idle(engine, 37.1)


def test_who_comes_while_the_machine_wakes_is_read_with_the_first() -> None:
    engine = Engine(SLEEPY)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 30.0)
    engine.arrive("b", job(prompt_tokens=100, output_tokens=1), 31.0)

    assert {"a": exactly(32.2), "b": exactly(32.2)} == instants(reports(engine), Ending)


def test_a_machine_wakes_even_if_who_woke_it_has_left() -> None:
    engine = Engine(SLEEPY)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 30.0)
    reports(engine, until_s=30.5)
    engine.abort("a", EndingKind.CANCELLED, 30.5)
    reports(engine)

    assert (exactly(10 * 10.0 + 10 * 12.0), exactly(4 * 20.0 + 4 * 10.0), 50.0) == idle(engine, 52.0)


def test_a_rest_that_begins_at_once_and_takes_no_time_is_only_cheaper() -> None:
    engine = Engine(replace(AT_HAND, rests=(Rest(after_s=0.0, watts=2.0, wake_s=0.0),)))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 5.0)

    assert {"a": exactly(5.1)} == instants(reports(engine), Ending)
    assert (exactly(10 * 0.1), exactly(2 * 9.9), 0.0) == idle(engine, 10.0)


def test_a_machine_that_slept_has_lost_its_cache() -> None:
    engine = Engine(replace(SLEEPY, caches_prefixes=True))
    engine.arrive("a", job(prompt_tokens=1099, output_tokens=1, blocks=(1, 2)), 0.0)
    engine.arrive("b", job(prompt_tokens=1099, output_tokens=1, blocks=(1, 2)), 5.0)
    engine.arrive("c", job(prompt_tokens=1099, output_tokens=1, blocks=(1, 2)), 30.0)

    assert {"a": exactly(1.1), "b": exactly(5.076), "c": exactly(33.1)} == instants(reports(engine), Ending)


def test_how_soon_it_could_begin_is_told_while_it_rests_and_while_it_wakes() -> None:
    engine = Engine(SLEEPY)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 70.0)

    assert [0.0, 2.0, 20.0] == [engine.ready_in_s(at_s) for at_s in (9.0, 30.0, 69.0)]
    reports(engine, until_s=70.0)
    assert [exactly(15.0), exactly(0.1)] == [engine.ready_in_s(at_s) for at_s in (75.0, 89.9)]
    reports(engine, until_s=90.0)
    assert 0.0 == engine.ready_in_s(90.05)


def test_an_idle_machine_sleeps_when_it_is_told_to_and_a_busy_one_does_not() -> None:
    engine = Engine(SLEEPY)
    engine.sleep(3.0)

    assert 20.0 == engine.ready_in_s(3.0)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 4.0)
    reports(engine, until_s=24.05)
    engine.sleep(24.05)
    reports(engine)
    # Asleep for a second, awake from 4 to 34.1.
    assert (exactly(10 * 3.0 + 10 * 30.1), exactly(1 * 1.0), 300.0) == idle(engine, 34.1)


@pytest.mark.parametrize("now_s", [0.7, 3.3, 1e6 + 0.1, 123456.789])
def test_who_was_sent_to_sleep_is_asleep_at_that_very_instant(now_s: float) -> None:
    engine = Engine(replace(AT_HAND, rests=(UNLOADED, replace(ASLEEP, after_s=59.9))))
    engine.sleep(now_s)

    assert 20.0 == engine.ready_in_s(now_s)


def test_a_machine_without_rests_never_sleeps() -> None:
    engine = Engine(AT_HAND)
    engine.sleep(3.0)

    assert (exactly(10 * 1000.0), 0.0, 0.0) == idle(engine, 1000.0)
    assert 0.0 == engine.ready_in_s(1000.0)


def test_a_crash_leaves_the_machine_in_its_deepest_rest() -> None:
    engine = Engine(SLEEPY, outages=[Outage(server_id="edge", from_s=1.0, to_s=5.0)])
    engine.arrive("a", job(prompt_tokens=99, output_tokens=100), 0.0)
    engine.arrive("b", job(prompt_tokens=99, output_tokens=1), 6.0)
    known = reports(engine)

    assert {"a": exactly(1.0), "b": exactly(26.1)} == instants(known, Ending)
    assert (exactly(10 * 1.0 + 10 * 20.1), exactly(1 * 5.0), 300.0) == idle(engine, 26.1)


def test_who_crashes_while_it_wakes_must_wake_again() -> None:
    engine = Engine(SLEEPY, outages=[Outage(server_id="edge", from_s=75.0, to_s=76.0)])
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 70.0)
    engine.arrive("b", job(prompt_tokens=99, output_tokens=1), 80.0)

    assert {"a": exactly(75.0), "b": exactly(100.1)} == instants(reports(engine), Ending)
    assert 600.0 == idle(engine, 100.1)[2]


def test_a_server_is_sent_to_sleep_and_woken_through_the_world() -> None:
    world = World((SLEEPY,), WorldSettings(prior_error=0.0), 1)
    world.set_power("edge", PowerState.ASLEEP, 2.0)

    assert 20.0 == world.ready_in_s("edge", 3.0)
    world.set_power("edge", PowerState.AWAKE, 3.0)
    assert 19.0 == world.ready_in_s("edge", 4.0)
    assert world.advance(23.0) is None
    assert 0.0 == world.ready_in_s("edge", 23.0)
    assert {"edge": IdleJoules(powered_j=exactly(10 * 23.0), resting_j=exactly(1.0), waking_j=300.0)} == (
        world.idle_joules(24.0)
    )


def test_whoever_is_awake_is_not_woken_again() -> None:
    engine = Engine(SLEEPY)
    engine.sleep(2.0)
    for at_s in (3.0, 4.0, 25.0):
        engine.advance(at_s)
        engine.wake(at_s)

    assert 300.0 == idle(engine, 25.0)[2]


def test_a_request_that_comes_while_the_machine_wakes_waits_for_what_is_left() -> None:
    engine = Engine(SLEEPY)
    engine.sleep(2.0)
    engine.wake(3.0)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 10.0)

    assert {"a": exactly(23.1)} == instants(reports(engine), Ending)


def test_a_machine_that_only_obeys_commands_does_not_fall_asleep_by_itself() -> None:
    engine = Engine(replace(AT_HAND, rests=(Rest(watts=1.0, wake_s=20.0, on_command=True),)))

    assert 0.0 == engine.ready_in_s(1e6)
    engine.sleep(1e6)
    assert (exactly(10 * 1e6), exactly(50.0), 0.0) == idle(engine, 1e6 + 50.0)


def test_a_rest_that_obeys_no_command_is_not_entered_by_one() -> None:
    engine = Engine(replace(AT_HAND, rests=(UNLOADED,)))
    engine.sleep(3.0)

    assert 0.0 == engine.ready_in_s(4.0)


def test_a_machine_sent_into_a_light_rest_still_falls_into_the_deep_one() -> None:
    light, deep = replace(UNLOADED, on_command=True), replace(ASLEEP, on_command=False)
    engine = Engine(replace(AT_HAND, rests=(light, deep)))
    engine.sleep(3.0)

    assert [2.0, 20.0] == [engine.ready_in_s(at_s) for at_s in (59.0, 60.0)]
    assert (exactly(10 * 3.0), exactly(4 * 57.0 + 1 * 10.0), 0.0) == idle(engine, 70.0)


def test_whose_idle_joules_count_is_a_matter_of_the_rule() -> None:
    joules = IdleJoules(powered_j=100.0, resting_j=20.0, waking_j=3.0)

    assert {"all": 123.0, "powered": 103.0, "none": 0.0} == {
        rule.value: joules.counted_j(rule) for rule in IdleAccounting
    }
