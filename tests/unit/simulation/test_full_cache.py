"""Engines whose cache is small: who is let in, and who gives way."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind
from perllm.simulation.engine import Engine
from tests.unit.simulation.machines import AT_HAND, exactly, instants, job, reports


def test_who_stands_behind_a_prompt_that_does_not_fit_is_let_in_when_that_one_leaves() -> None:
    engine = Engine(replace(AT_HAND, kv_tokens=1000))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=300), 0.0)
    engine.arrive("b", job(prompt_tokens=950, output_tokens=1), 0.1)
    engine.arrive("c", job(prompt_tokens=49, output_tokens=1), 0.2)
    reports(engine, until_s=0.25)

    engine.abort("b", EndingKind.CANCELLED, 0.25)

    # a writes from 0.1 on; its eighth step ends at 0.268.
    assert exactly(0.268 + 0.05) == instants(reports(engine), Ending)["c"]
