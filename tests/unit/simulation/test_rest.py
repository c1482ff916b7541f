"""Machines that fall asleep: what they draw there, and what waking takes."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.profile import Rest
from perllm.simulation.engine import Engine
from tests.unit.simulation.machines import AT_HAND, exactly, instants, job, reports

UNLOADED = Rest(after_s=10.0, watts=4.0, wake_s=2.0, wake_j=50.0)
ASLEEP = Rest(after_s=60.0, watts=1.0, wake_s=20.0, wake_j=300.0)
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
