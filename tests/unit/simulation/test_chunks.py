"""Prompts that are read in pieces, beside others that write: times and joules worked out by hand."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.profile import Batching
from perllm.simulation.engine import Engine
from tests.unit.simulation.machines import AT_HAND, exactly, instants, job, reports

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
