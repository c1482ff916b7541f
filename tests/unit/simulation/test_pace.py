"""Machines that grow slow for a while, or ever slower."""

from __future__ import annotations

from perllm.domain.attempt import Ending
from perllm.simulation.engine import Engine
from perllm.simulation.pace import Pace
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.trouble import Drift, Slowdown, Trouble
from perllm.simulation.world import World
from tests.unit.simulation.machines import AT_HAND, CLOUD, endings, exactly, instants, job, reports


def slow(from_s: float, to_s: float, factor: float) -> Slowdown:
    return Slowdown(server_id="edge", from_s=from_s, to_s=to_s, factor=factor)


def test_a_slowdown_holds_from_its_beginning_until_before_its_end() -> None:
    pace = Pace([slow(1.0, 2.0, 3.0)])

    assert [1.0, 3.0, 3.0, 1.0] == [pace(at_s) for at_s in (0.9, 1.0, 1.9, 2.0)]


def test_slowdowns_at_once_multiply() -> None:
    pace = Pace([slow(1.0, 3.0, 3.0), slow(2.0, 4.0, 2.0)])

    assert [3.0, 6.0, 2.0] == [pace(at_s) for at_s in (1.5, 2.5, 3.5)]
    assert [1.0, 2.0, 3.0, 4.0] == pace.changes_at_s


def test_a_drift_grows_by_the_hour_up_to_its_limit() -> None:
    slower = Pace(drifts=[Drift(server_id="edge", factor_per_hour=2.0, limit=3.0)])
    faster = Pace(drifts=[Drift(server_id="edge", factor_per_hour=0.5, limit=0.3)])

    assert [1.0, exactly(2**0.5), exactly(2.0), 3.0] == [slower(3600.0 * hours) for hours in (0.0, 0.5, 1.0, 2.0)]
    assert [1.0, exactly(0.5), 0.3] == [faster(3600.0 * hours) for hours in (0.0, 1.0, 2.0)]


def test_writing_slows_down_with_the_first_step_that_begins_in_a_slowdown_and_recovers_likewise() -> None:
    engine = Engine(AT_HAND, pace=Pace([slow(0.15, 0.25, 2.0)]))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=11), 0.0)

    known = reports(engine)

    # Three steps end at 0.163; then three of 0.042 until 0.289, and the other four of 0.021.
    assert {"a": exactly(0.1 + 3 * 0.021 + 3 * 0.042 + 4 * 0.021)} == instants(known, Ending)
    assert exactly(40 * 0.1 + 20 * 0.273) == endings(known)["a"].infer_j == engine.infer_j


def test_reading_that_has_begun_keeps_its_pace() -> None:
    engine = Engine(AT_HAND, pace=Pace([slow(0.05, 0.3, 2.0)]))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 0.0)
    engine.arrive("b", job(prompt_tokens=99, output_tokens=1), 0.2)
    engine.arrive("c", job(prompt_tokens=99, output_tokens=1), 0.5)

    assert {"a": exactly(0.1), "b": exactly(0.4), "c": exactly(0.6)} == instants(reports(engine), Ending)


def test_a_slowdown_of_an_idle_machine_is_felt_by_who_comes_meanwhile() -> None:
    engine = Engine(AT_HAND, pace=Pace([slow(1.0, 2.0, 3.0)]))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 1.5)
    engine.arrive("b", job(prompt_tokens=99, output_tokens=1), 2.5)

    assert {"a": exactly(1.8), "b": exactly(2.6)} == instants(reports(engine), Ending)


def test_what_drifts_takes_the_pace_of_the_instant_at_which_it_begins() -> None:
    engine = Engine(AT_HAND, pace=Pace(drifts=[Drift(server_id="edge", factor_per_hour=2.0, limit=9.0)]))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=1), 3600.0)

    assert {"a": exactly(3600.2)} == instants(reports(engine), Ending)


def test_a_slowdown_concerns_its_server_alone() -> None:
    trouble = Trouble(slowdowns=(slow(0.0, 9.0, 10.0),))
    world = World((AT_HAND, CLOUD), WorldSettings(prior_error=0.0, trouble=trouble), 1)
    world.send("edge", "slow", job(prompt_tokens=99, output_tokens=1, stream=False), 0.0)
    world.send("cloud", "fast", job(prompt_tokens=99, output_tokens=1, stream=False), 0.0)

    first, second = world.advance(10.0), world.advance(10.0)

    assert first is not None
    assert second is not None
    assert ("fast", "slow", exactly(1.0)) == (first.attempt_id, second.attempt_id, second.at_s)
