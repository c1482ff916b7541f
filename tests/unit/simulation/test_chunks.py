"""Prompts that are read in pieces, beside others that write: times and joules worked out by hand."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind, Progress
from perllm.domain.profile import Batching
from perllm.simulation.engine import Engine
from tests.unit.simulation.machines import AT_HAND, endings, exactly, instants, job, reports

# A step of a hundred tokens takes 0.101 to read; one writer takes 0.021, and leaves room for 99 tokens beside it.
CHUNKED = replace(AT_HAND, batching=Batching.CHUNKED, step_tokens=100)


def test_every_chunk_attends_to_all_chunks_before_it() -> None:
    speed = replace(CHUNKED.speed, attention_pair_s=1e-5, weights_read_s=0.2)
    engine = Engine(replace(CHUNKED, speed=speed))
    engine.arrive("a", job(prompt_tokens=200, output_tokens=1), 0.0)

    # The first hundred tokens have 5,000 pairs and hide behind the weights; the second have 15,000: 0.1 + 0.15.
    assert {"a": exactly(0.201 + 0.251)} == instants(reports(engine), Ending)


def test_an_abort_of_a_prompt_that_the_step_does_not_read_disturbs_nobody() -> None:
    engine = Engine(CHUNKED)
    engine.arrive("a", job(prompt_tokens=300, output_tokens=1), 0.0)
    engine.arrive("b", job(prompt_tokens=300, output_tokens=1), 0.05)
    reports(engine, until_s=0.15)

    ending = engine.abort("b", EndingKind.CANCELLED, 0.15)

    assert 0.0 == ending.infer_j
    assert {"a": exactly(3 * 0.101)} == instants(reports(engine), Ending)


def test_a_long_prompt_is_read_in_pieces_and_its_tail_is_shorter() -> None:
    engine = Engine(CHUNKED)
    engine.arrive("a", job(prompt_tokens=250, output_tokens=1), 0.0)

    known = reports(engine)

    assert {"a": exactly(2 * 0.101 + 0.051)} == instants(known, Ending)
    assert exactly(40 * 0.253) == endings(known)["a"].infer_j


def test_a_writer_goes_on_while_a_prompt_is_read_beside_it() -> None:
    engine = Engine(CHUNKED)
    engine.arrive("a", job(prompt_tokens=50, output_tokens=6), 0.0)
    engine.arrive("b", job(prompt_tokens=198, output_tokens=2), 0.06)

    known = reports(engine)

    # a is read by 0.051 and writes by 0.072. Two steps of 99 tokens and one of a's follow, 0.11 each; then a, which has
    # 4 tokens, goes on beside b.
    assert {"a": exactly(0.051), "b": exactly(0.072 + 2 * 0.11)} == instants(known, Progress)
    assert {"a": exactly(0.292 + 2 * 0.021), "b": exactly(0.292 + 0.021)} == instants(known, Ending)


def test_writers_pay_what_writing_alone_would_have_cost_and_readers_the_rest() -> None:
    engine = Engine(CHUNKED)
    engine.arrive("a", job(prompt_tokens=50, output_tokens=6), 0.0)
    engine.arrive("b", job(prompt_tokens=198, output_tokens=2), 0.06)

    ended = endings(reports(engine))

    # Arithmetic rules each of the two steps, so that they draw 40 W. Of that a pays what 20 W would have in 0.021.
    both_j = 40 * 2 * 0.11
    assert exactly(40 * 0.051 + 20 * 0.021 + 20 * 2 * 0.021 + 15 * 0.021 + 20 * 0.021) == ended["a"].infer_j
    assert exactly(both_j - 20 * 2 * 0.021 + 15 * 0.021) == ended["b"].infer_j
    assert exactly(engine.infer_j) == sum(ending.infer_j or 0.0 for ending in ended.values())


def test_a_step_that_hides_its_reading_behind_memory_draws_in_between() -> None:
    engine = Engine(CHUNKED)
    engine.arrive("a", job(prompt_tokens=50, output_tokens=3), 0.0)
    engine.arrive("b", job(prompt_tokens=5, output_tokens=1), 0.06)

    ended = endings(reports(engine))

    # 5 tokens and one of a's: 0.015 of arithmetic beside 0.02 of memory. Three quarters of the way from 20 W to 40 W.
    assert exactly((20 + 20 * 0.75) * 0.021 - 20 * 0.021) == ended["b"].infer_j
    assert exactly(40 * 0.051 + 2 * 20 * 0.021) == ended["a"].infer_j


def test_several_prompts_share_a_step_in_the_order_of_their_arrival() -> None:
    engine = Engine(CHUNKED)
    engine.arrive("x", job(prompt_tokens=100, output_tokens=1), 0.0)
    for name, prompt_tokens in (("a", 30), ("b", 50), ("c", 40)):
        engine.arrive(name, job(prompt_tokens=prompt_tokens, output_tokens=1), 0.05)

    known = reports(engine)

    # 30, 50 and the first 20 of c; then the other 20, which hide behind the weights just so.
    assert {"x": exactly(0.101), "a": exactly(0.202), "b": exactly(0.202), "c": exactly(0.223)} == instants(
        known, Ending
    )
    assert {"x": 40 * 0.101, "a": 40 * 0.0303, "b": 40 * 0.0505, "c": 40 * (0.0202 + 0.021)} == {
        name: exactly(ending.infer_j or 0.0) for name, ending in endings(known).items()
    }


def test_who_has_just_begun_to_write_takes_room_from_the_chunks() -> None:
    engine = Engine(replace(CHUNKED, step_tokens=3))
    engine.arrive("a", job(prompt_tokens=3, output_tokens=3), 0.0)
    engine.arrive("b", job(prompt_tokens=6, output_tokens=1), 0.01)

    # a writes twice while b reads 2 tokens each time, which leaves it 2 for a third step.
    assert {"a": exactly(3 * 0.021), "b": exactly(4 * 0.021)} == instants(reports(engine), Ending)


def test_at_least_one_token_is_read_however_many_write() -> None:
    engine = Engine(replace(CHUNKED, step_tokens=1, slots=2))
    engine.arrive("a", job(prompt_tokens=1, output_tokens=3), 0.0)
    engine.arrive("b", job(prompt_tokens=2, output_tokens=1), 0.01)

    assert {"a": exactly(3 * 0.021), "b": exactly(3 * 0.021)} == instants(reports(engine), Ending)


def test_prompts_wait_for_a_slot_though_the_step_has_room() -> None:
    engine = Engine(replace(CHUNKED, slots=1))
    engine.arrive("a", job(prompt_tokens=50, output_tokens=2), 0.0)
    engine.arrive("b", job(prompt_tokens=30, output_tokens=1), 0.01)

    assert {"a": exactly(0.051 + 0.021), "b": exactly(0.072 + 0.031)} == instants(reports(engine), Ending)


def test_prompts_wait_for_the_cache_though_a_slot_is_free() -> None:
    engine = Engine(replace(CHUNKED, kv_tokens=90))
    engine.arrive("a", job(prompt_tokens=50, output_tokens=2), 0.0)
    engine.arrive("b", job(prompt_tokens=40, output_tokens=1), 0.01)

    assert {"a": exactly(0.051 + 0.021), "b": exactly(0.072 + 0.041)} == instants(reports(engine), Ending)


def test_an_abort_of_a_prompt_in_the_step_begins_the_step_again_without_it() -> None:
    engine = Engine(CHUNKED)
    engine.arrive("a", job(prompt_tokens=50, output_tokens=3), 0.0)
    engine.arrive("b", job(prompt_tokens=99, output_tokens=1), 0.06)
    reports(engine, until_s=0.1)

    # a and b are at their step from 0.072 on.
    ending = engine.abort("b", EndingKind.CANCELLED, 0.1)
    known = reports(engine)

    assert {"a": exactly(0.1 + 0.021)} == instants(known, Ending)
    assert exactly(engine.infer_j) == (ending.infer_j or 0.0) + (endings(known)["a"].infer_j or 0.0)


def test_an_abort_of_the_only_writer_begins_the_step_again_without_it() -> None:
    engine = Engine(CHUNKED)
    engine.arrive("a", job(prompt_tokens=50, output_tokens=30), 0.0)
    engine.arrive("b", job(prompt_tokens=99, output_tokens=1), 0.06)
    reports(engine, until_s=0.1)

    engine.abort("a", EndingKind.CANCELLED, 0.1)

    assert {"b": exactly(0.1 + 0.1)} == instants(reports(engine), Ending)
