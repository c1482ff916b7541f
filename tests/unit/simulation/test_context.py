"""What context costs: steps that grow longer, pairs to attend to, and where it ends."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind, Progress
from perllm.simulation.engine import Engine
from tests.unit.simulation.machines import AT_HAND, SERVER, endings, exactly, instants, job, reports


def test_every_step_reads_the_context_that_the_one_before_has_left() -> None:
    engine = Engine(replace(AT_HAND, speed=replace(AT_HAND.speed, context_token_s=1e-4)))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=4), 0.0)

    known = reports(engine)

    # The prompt and its first token, then one more each: 100, 101 and 102 tokens beside the weights.
    assert {"a": exactly(0.1 + 3 * 0.021 + 1e-4 * (100 + 101 + 102))} == instants(known, Ending)
    assert exactly(40 * 0.1 + 20 * (0.063 + 0.0303)) == endings(known)["a"].infer_j


def test_all_who_write_wait_for_the_context_of_all() -> None:
    engine = Engine(replace(AT_HAND, speed=replace(AT_HAND.speed, context_token_s=1e-4)))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=4), 0.0)
    engine.arrive("b", job(prompt_tokens=199, output_tokens=3), 0.05)

    # Both are read by 0.3. They have 100 and 200 tokens, then 101 and 201; a has 102 for its last one.
    together_s = 2 * 0.021 + 1e-4 * (300 + 302)
    assert {"b": exactly(0.3 + together_s), "a": exactly(0.3 + together_s + 0.021 + 0.0102)} == instants(
        reports(engine), Ending
    )


def test_context_is_free_while_arithmetic_rules() -> None:
    speed = replace(AT_HAND.speed, decode_token_s=0.03, context_token_s=1e-4)
    engine = Engine(replace(AT_HAND, speed=speed))
    engine.arrive("a", job(prompt_tokens=98, output_tokens=5), 0.0)

    # Reading 99 to 102 tokens takes 0.0099 to 0.0102 on top of the weights' 0.02: only at the end more than 0.03.
    assert {"a": exactly(0.099 + 0.031 * 2 + 0.0311 + 0.0312)} == instants(reports(engine), Ending)


def test_what_arithmetic_and_memory_do_one_after_the_other_counts_twice() -> None:
    speed = replace(AT_HAND.speed, serial_fraction=0.5)
    engine = Engine(replace(AT_HAND, speed=speed))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=3), 0.0)

    # Reading: 0.099 and half of 0.02. Writing: 0.02 and half of 0.01.
    assert {"a": exactly(0.110 + 2 * 0.026)} == instants(reports(engine), Ending)


def test_every_writer_adds_its_overhead() -> None:
    engine = Engine(replace(AT_HAND, speed=replace(AT_HAND.speed, sequence_overhead_s=0.002)))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=6), 0.0)
    engine.arrive("b", job(prompt_tokens=99, output_tokens=4), 0.05)

    # Reading has none. Three steps of two writers, then two of one.
    assert {"b": exactly(0.2 + 3 * 0.025), "a": exactly(0.2 + 3 * 0.025 + 2 * 0.023)} == instants(
        reports(engine), Ending
    )


def test_a_prompt_attends_to_its_own_pairs() -> None:
    engine = Engine(replace(AT_HAND, speed=replace(AT_HAND.speed, attention_pair_s=1e-5)))
    engine.arrive("a", job(prompt_tokens=100, output_tokens=1), 0.0)
    engine.arrive("b", job(prompt_tokens=200, output_tokens=1), 0.01)
    engine.arrive("c", job(prompt_tokens=300, output_tokens=1), 0.01)

    # 100 tokens have 5,000 pairs. The other two are read together and do not attend to one another.
    assert {"a": exactly(0.151), "b": exactly(1.302), "c": exactly(1.302)} == instants(reports(engine), Ending)


def test_an_answer_ends_where_the_context_does() -> None:
    engine = Engine(replace(AT_HAND, context_tokens=105))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=50), 0.0)

    known = reports(engine)

    assert {"a": exactly(0.1 + 5 * 0.021)} == instants(known, Ending)
    usage = endings(known)["a"].usage
    assert usage is not None
    assert (99, 6, 6) == (usage.prompt_tokens, usage.output_tokens, endings(known)["a"].output_tokens)


def test_a_cache_smaller_than_the_context_ends_answers_too() -> None:
    engine = Engine(replace(AT_HAND, kv_tokens=105))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=50), 0.0)

    assert 6 == endings(reports(engine))["a"].output_tokens


def test_a_prompt_as_long_as_the_context_is_refused_and_nobody_is_to_blame_but_the_request() -> None:
    engine = Engine(replace(SERVER, context_tokens=100))
    engine.arrive("fits", job(prompt_tokens=99, output_tokens=9), 0.0)
    engine.arrive("too long", job(prompt_tokens=100), 1.0)

    known = reports(engine)
    ended = endings(known)

    assert (EndingKind.COMPLETED, 1) == (ended["fits"].kind, ended["fits"].output_tokens)
    refused = ended["too long"]
    assert (EndingKind.FAILED, False, 0, 0.0) == (
        refused.kind,
        refused.blame_server,
        refused.output_tokens,
        refused.infer_j,
    )
    # There at 1.016, and the answer comes as any event does. It never took a slot.
    assert exactly(1.0265) == instants(known, Ending)["too long"]
    assert ["fits"] == list(instants(known, Progress))
