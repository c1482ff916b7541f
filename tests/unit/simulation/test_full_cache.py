"""Engines whose cache is small: who is let in, and who gives way."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.domain.profile import Batching
from perllm.simulation.agenda import Report
from perllm.simulation.engine import Engine
from tests.unit.simulation.machines import AT_HAND, endings, exactly, instants, job, reports


def test_who_stands_behind_a_prompt_that_does_not_fit_is_let_in_when_that_one_leaves() -> None:
    engine = Engine(replace(AT_HAND, kv_tokens=1000))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=300), 0.0)
    engine.arrive("b", job(prompt_tokens=950, output_tokens=1), 0.1)
    engine.arrive("c", job(prompt_tokens=49, output_tokens=1), 0.2)
    reports(engine, until_s=0.25)

    engine.abort("b", EndingKind.CANCELLED, 0.25)

    # a writes from 0.1 on; its eighth step ends at 0.268.
    assert exactly(0.268 + 0.05) == instants(reports(engine), Ending)["c"]


def test_the_newest_writer_gives_way_and_reads_everything_again() -> None:
    engine = Engine(replace(AT_HAND, kv_tokens=1001))
    engine.arrive("a", job(prompt_tokens=3, output_tokens=40), 0.0)
    engine.arrive("b", job(prompt_tokens=969, output_tokens=32), 0.03)

    known = reports(engine)

    # a's prompt takes 0.021, its first step as much: it has 2 tokens when b is read, which takes 0.97. Then they have
    # 5 + 970 tokens in the cache, so that 13 steps fit. a writes its other 25 alone, and b reads its 969 and 14 again.
    gives_way_at_s = 0.042 + 0.97 + 13 * 0.021
    again_at_s = gives_way_at_s + 25 * 0.021
    assert {"a": exactly(0.021), "b": exactly(1.012)} == first_tokens(known)
    assert {"a": exactly(again_at_s), "b": exactly(again_at_s + 0.984 + 17 * 0.021)} == instants(known, Ending)
    a, b = endings(known)["a"], endings(known)["b"]
    assert (40, 32) == (a.output_tokens, b.output_tokens)
    # Reading 3 tokens hides behind the weights for all but 3 parts of 20.
    assert exactly((20 + 20 * 3 / 20) * 0.021 + 20 * 0.021 + 15 * 13 * 0.021 + 20 * 25 * 0.021) == a.infer_j
    assert exactly(40 * 0.97 + 15 * 13 * 0.021 + 40 * 0.984 + 20 * 17 * 0.021) == b.infer_j
    assert exactly(engine.infer_j) == (a.infer_j or 0.0) + (b.infer_j or 0.0)


def test_who_gave_way_is_told_of_the_cache_as_it_was_when_it_came() -> None:
    engine = Engine(replace(AT_HAND, kv_tokens=1001, caches_prefixes=True))
    engine.arrive("a", job(prompt_tokens=3, output_tokens=40), 0.0)
    engine.arrive("b", job(prompt_tokens=969, output_tokens=32, blocks=(7,)), 0.03)

    known = reports(engine)

    # As above, but the first 512 tokens need not be read again.
    assert exactly(1.012 + 38 * 0.021 + 0.472 + 17 * 0.021) == instants(known, Ending)["b"]
    assert Usage(prompt_tokens=969, output_tokens=32, cached_tokens=0) == endings(known)["b"].usage


def test_a_writer_is_let_in_again_before_whoever_came_later() -> None:
    engine = Engine(replace(AT_HAND, kv_tokens=1001))
    engine.arrive("a", job(prompt_tokens=3, output_tokens=40), 0.0)
    engine.arrive("b", job(prompt_tokens=969, output_tokens=32), 0.03)
    engine.arrive("c", job(prompt_tokens=900, output_tokens=1), 0.04)

    ended = instants(reports(engine), Ending)

    assert exactly(1.012 + 38 * 0.021 + 0.984 + 17 * 0.021) == ended["b"]
    assert exactly(1.012 + 38 * 0.021 + 0.984 + 17 * 0.021 + 0.901) == ended["c"]


def test_the_newest_gives_way_too_while_its_prompt_is_read_in_chunks() -> None:
    engine = Engine(replace(AT_HAND, batching=Batching.CHUNKED, step_tokens=11, kv_tokens=280))
    engine.arrive("a", job(prompt_tokens=11, output_tokens=200), 0.0)
    engine.arrive("b", job(prompt_tokens=250, output_tokens=1), 0.03)

    known = reports(engine)

    # a has 2 tokens at 0.042, when b comes in: 13 + 250 tokens, so that 17 steps fit. Each reads 10 tokens beside
    # writing one. a goes on alone with its other 181; then b is read from the start, 11 tokens a step.
    assert {"a": exactly(0.042 + 198 * 0.021), "b": exactly(0.042 + 221 * 0.021)} == instants(known, Ending)
    a, b = endings(known)["a"], endings(known)["b"]
    assert exactly(engine.infer_j) == (a.infer_j or 0.0) + (b.infer_j or 0.0)


def test_a_prompt_is_no_reason_to_give_way_while_writing_stands_still() -> None:
    engine = Engine(replace(AT_HAND, kv_tokens=280))
    engine.arrive("a", job(prompt_tokens=11, output_tokens=14), 0.0)
    engine.arrive("b", job(prompt_tokens=266, output_tokens=1), 0.03)

    # a reads and writes in steps of 0.021; b fits beside its 13 tokens, and is read in one piece.
    assert {"a": exactly(0.042 + 0.267 + 12 * 0.021), "b": exactly(0.042 + 0.267)} == instants(reports(engine), Ending)


def first_tokens(known: list[Report]) -> dict[str, float]:
    """Return when each stream told its first token, which it does once."""
    firsts = [
        (report.attempt_id, report.at_s)
        for report in known
        if isinstance(report.event, Progress) and report.event.stage is Stage.FIRST_TOKEN
    ]
    assert len(firsts) == len(dict(firsts))
    return dict(firsts)
