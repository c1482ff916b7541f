"""Prompts that are read whole, several in one step, while writing stands still."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind
from perllm.simulation.engine import Engine
from tests.unit.simulation.machines import AT_HAND, endings, exactly, instants, job, reports

PACKING = replace(AT_HAND, step_tokens=300)


def engine_reading(*prompts: int, slots: int = 4) -> Engine:
    """Return an engine that reads 99 tokens until 0.1 while other prompts have come, called 0, 1 and so on."""
    engine = Engine(replace(PACKING, slots=slots))
    engine.arrive("first", job(prompt_tokens=99, output_tokens=1), 0.0)
    for number, prompt_tokens in enumerate(prompts):
        engine.arrive(str(number), job(prompt_tokens=prompt_tokens, output_tokens=1), 0.05)
    return engine


def test_prompts_that_fit_one_step_are_read_together_and_pay_by_their_tokens() -> None:
    engine = engine_reading(100, 199)

    known = reports(engine)

    assert {"first": exactly(0.1), "0": exactly(0.4), "1": exactly(0.4)} == instants(known, Ending)
    assert [exactly(40 * 0.3 * 100 / 299), exactly(40 * 0.3 * 199 / 299)] == [
        endings(known)[name].infer_j for name in "01"
    ]


def test_what_is_too_much_for_a_step_waits_for_the_next() -> None:
    ended = instants(reports(engine_reading(100, 200, 1)), Ending)

    # 300 tokens fill the step; a single one takes as long as the weights.
    assert {"first": exactly(0.1), "0": exactly(0.401), "1": exactly(0.401), "2": exactly(0.422)} == ended


def test_nobody_overtakes_a_prompt_that_does_not_fit_the_step() -> None:
    ended = instants(reports(engine_reading(100, 250, 10)), Ending)

    assert {"first": exactly(0.1), "0": exactly(0.201), "1": exactly(0.462), "2": exactly(0.462)} == ended


def test_a_prompt_longer_than_a_step_is_read_alone_and_whole() -> None:
    ended = instants(reports(engine_reading(1000, 10)), Ending)

    assert {"first": exactly(0.1), "0": exactly(1.101), "1": exactly(1.122)} == ended


def test_no_more_prompts_are_read_than_there_are_slots() -> None:
    ended = instants(reports(engine_reading(10, 10, 10, slots=2)), Ending)

    assert {"first": exactly(0.1), "0": exactly(0.121), "1": exactly(0.121), "2": exactly(0.142)} == ended


def test_an_abort_of_one_that_is_read_begins_the_step_again_with_the_others() -> None:
    engine = engine_reading(100, 100)
    reports(engine, until_s=0.2)

    ending = engine.abort("0", EndingKind.CANCELLED, 0.2)
    known = reports(engine)

    # Half of what was drawn from 0.1 to 0.2 is the aborted one's.
    assert exactly(40 * 0.05) == ending.infer_j
    assert exactly(0.301) == instants(known, Ending)["1"]
    assert exactly(40 * (0.05 + 0.101)) == endings(known)["1"].infer_j


def test_who_writes_pays_nothing_while_a_prompt_is_read() -> None:
    engine = Engine(AT_HAND)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=2), 0.0)
    engine.arrive("b", job(prompt_tokens=999, output_tokens=1), 0.05)

    ended = endings(reports(engine))

    assert {"a": exactly(40 * 0.1 + 20 * 0.021), "b": exactly(40 * 1.0)} == {
        name: ending.infer_j for name, ending in ended.items()
    }
