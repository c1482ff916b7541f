"""Laws of the simulated world: joules and tokens are conserved, time goes forward, and looking changes nothing."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind, Progress
from perllm.domain.request import Request, Requirement
from perllm.simulation.agenda import Report
from perllm.simulation.engine import Engine
from perllm.simulation.job import Job, Truth
from perllm.simulation.trouble import Outage
from tests.unit.simulation.machines import SERVER

Plan = list[tuple[float, Job, float | None]]
"""When each request is sent, and when it is aborted if it is not over by then."""

INSTANTS = st.floats(min_value=0.0, max_value=6.0)
FACTORS = st.floats(min_value=0.5, max_value=2.0)
TRUTHS = st.builds(
    Truth,
    prompt_tokens=st.integers(1, 600),
    output_tokens=st.integers(1, 150),
    upload_bytes=st.integers(1, 5000),
    service_factor=FACTORS,
    link_factor=FACTORS,
)
REQUESTS = st.builds(
    Request,
    request_id=st.just("r"),
    service=st.just("chat"),
    model=st.just("m"),
    requirement=st.just(Requirement()),
    payload_bytes=st.just(1),
    prompt_bytes=st.just(1),
    stream=st.booleans(),
)
PLANS = st.lists(
    st.tuples(INSTANTS, st.builds(Job, request=REQUESTS, truth=TRUTHS), st.none() | INSTANTS), min_size=1, max_size=12
)
OUTAGES = st.lists(
    st.builds(lambda at_s, for_s: Outage(server_id="edge", from_s=at_s, to_s=at_s + for_s), INSTANTS, FACTORS),
    max_size=2,
)


def play(engine: Engine, plan: Plan, looks: list[float]) -> tuple[list[Report], dict[str, Ending]]:
    """Carry out a plan on an engine, looking at it at some instants more; return reports and all endings."""
    todo = [(at_s, number, "send") for number, (at_s, _, _) in enumerate(plan)]
    todo += [(leaves, number, "abort") for number, (_, _, leaves) in enumerate(plan) if leaves is not None]
    todo += [(at_s, -1, "look") for at_s in [*looks, 1e4]]
    known: list[Report] = []
    endings: dict[str, Ending] = {}
    for at_s, number, what in sorted(todo):
        while engine.next_at_s <= at_s:
            report = engine.advance(at_s if what == "look" else engine.next_at_s)
            if report is not None:
                known.append(report)
                if isinstance(report.event, Ending):
                    assert report.attempt_id not in endings
                    endings[report.attempt_id] = report.event
        if what == "send":
            engine.arrive(str(number), plan[number][1], at_s)
        elif what == "abort" and engine.knows(str(number)):
            endings[str(number)] = engine.abort(str(number), EndingKind.CANCELLED, at_s)
    return known, endings


def engine_with(slots: int, outages: list[Outage]) -> Engine:
    return Engine(replace(SERVER, slots=slots), outages=outages, report_every_s=0.5)


@given(PLANS, st.integers(1, 4), OUTAGES)
def test_joules_are_conserved(plan: Plan, slots: int, outages: list[Outage]) -> None:
    engine = engine_with(slots, outages)
    _, endings = play(engine, plan, [])

    assert pytest.approx(engine.infer_j, rel=1e-9, abs=1e-9) == sum(
        ending.infer_j or 0.0 for ending in endings.values()
    )
    assert pytest.approx(engine.transmit_j) == sum(ending.transmit_j for ending in endings.values())
    assert all((ending.infer_j or 0.0) >= -1e-9 for ending in endings.values())


@given(PLANS, st.integers(1, 4), OUTAGES)
def test_every_attempt_ends_once_and_nothing_stays_behind(plan: Plan, slots: int, outages: list[Outage]) -> None:
    engine = engine_with(slots, outages)
    _, endings = play(engine, plan, [])

    assert {str(number) for number in range(len(plan))} == set(endings)
    assert (0, inf) == (engine.open_attempts, engine.next_at_s)


@given(PLANS, st.integers(1, 4), OUTAGES)
def test_tokens_are_conserved(plan: Plan, slots: int, outages: list[Outage]) -> None:
    known, endings = play(engine_with(slots, outages), plan, [])

    for attempt_id, ending in endings.items():
        truth = plan[int(attempt_id)][1].truth
        told = [
            report.event.tokens
            for report in known
            if report.attempt_id == attempt_id and isinstance(report.event, Progress)
        ]
        assert sorted(set(told)) == told
        assert max(told, default=0) <= ending.output_tokens <= truth.output_tokens
        if ending.kind is EndingKind.COMPLETED:
            assert ending.usage is not None
            assert (truth.prompt_tokens, truth.output_tokens) == (
                ending.usage.prompt_tokens,
                ending.usage.output_tokens,
            )


@given(PLANS, st.integers(1, 4), OUTAGES)
def test_time_goes_forward(plan: Plan, slots: int, outages: list[Outage]) -> None:
    known, _ = play(engine_with(slots, outages), plan, [])

    assert all(earlier.at_s <= later.at_s for earlier, later in pairwise(known))
    for report in known:
        assert report.at_s > plan[int(report.attempt_id)][0]


@given(PLANS, st.integers(1, 4), OUTAGES, st.lists(INSTANTS, max_size=8))
def test_looking_changes_nothing(plan: Plan, slots: int, outages: list[Outage], looks: list[float]) -> None:
    seldom, often = engine_with(slots, outages), engine_with(slots, outages)

    assert play(seldom, plan, []) == play(often, plan, looks)
    assert seldom.infer_j == often.infer_j
