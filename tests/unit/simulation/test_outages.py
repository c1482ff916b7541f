"""Servers that refuse, servers that vanish, and links that are down."""

from __future__ import annotations

from dataclasses import replace as changed
from math import inf

import pytest
from msgspec.structs import replace

from perllm.domain.action import Dispatch
from perllm.domain.attempt import Ending, EndingKind, Progress
from perllm.domain.entry import Entry
from perllm.domain.request import Request
from perllm.domain.service import WhenLate
from perllm.simulation.agenda import Report
from perllm.simulation.engine import Engine
from perllm.simulation.link import Pipe, Way
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.simulator import run
from perllm.simulation.trouble import Outage, OutageKind, Trouble
from tests.unit.simulation.machines import (
    AT_HAND,
    CHAT,
    LOAD,
    SERVER,
    endings,
    exactly,
    instants,
    job,
    reports,
    scenario,
)


def vanishing(from_s: float, to_s: float) -> Outage:
    return Outage(server_id="edge", from_s=from_s, to_s=to_s, kind=OutageKind.VANISHES)


def test_of_what_was_inside_a_server_that_vanished_nothing_is_ever_heard() -> None:
    engine = Engine(AT_HAND, outages=[vanishing(0.25, 2.0)])
    engine.arrive("writing", job(prompt_tokens=99, output_tokens=90), 0.0)
    engine.arrive("reading", job(prompt_tokens=199, output_tokens=90), 0.09)
    engine.arrive("waiting", job(prompt_tokens=99, output_tokens=90), 0.1)

    known = reports(engine)

    assert ["writing"] == list(instants(known, Progress))
    assert {} == endings(known)
    assert (3, inf) == (engine.open_attempts, engine.next_at_s)


def test_what_a_vanished_server_has_drawn_is_on_the_bill_when_its_attempts_are_given_up() -> None:
    engine = Engine(AT_HAND, outages=[vanishing(0.25, 2.0)])
    engine.arrive("writing", job(prompt_tokens=99, output_tokens=90), 0.0)
    engine.arrive("reading", job(prompt_tokens=199, output_tokens=90), 0.09)
    reports(engine)

    given_up = {name: engine.abort(name, EndingKind.TIMED_OUT, 60.0) for name in ("writing", "reading")}

    assert [1, 0] == [given_up[name].output_tokens for name in ("writing", "reading")]
    # The prompt of the second is under way for 0.15 when both are lost.
    assert [exactly(40 * 0.1), exactly(40 * 0.15)] == [given_up[name].infer_j for name in ("writing", "reading")]
    assert exactly(40 * 0.25) == engine.infer_j
    assert 0 == engine.open_attempts


def test_what_is_sent_to_a_vanished_server_is_lost_and_what_is_sent_later_is_served() -> None:
    engine = Engine(AT_HAND, outages=[vanishing(1.0, 2.0)])
    engine.arrive("lost", job(prompt_tokens=99, output_tokens=1), 1.5)
    engine.arrive("served", job(prompt_tokens=99, output_tokens=1), 2.0)

    known = reports(engine)

    assert {"served": exactly(2.1)} == instants(known, Ending)
    assert 0.0 == engine.abort("lost", EndingKind.TIMED_OUT, 9.0).infer_j


def test_what_is_under_way_to_a_server_when_it_goes_down_arrives_after_it_has_come_back() -> None:
    engine = Engine(replace(SERVER, link=replace(SERVER.link, rtt_s=2.0)), outages=[vanishing(0.1, 0.9)])
    engine.arrive("a", job(prompt_tokens=100, output_tokens=1), 0.0)

    # Up: 1.001 and 0.005; back: 1.0005.
    assert {"a": exactly(1.006 + 0.101 + 1.0005)} == instants(reports(engine), Ending)


def test_what_has_left_a_server_before_it_goes_down_still_comes() -> None:
    engine = Engine(replace(SERVER, link=replace(SERVER.link, rtt_s=2.0)), outages=[vanishing(1.2, 9.0)])
    engine.arrive("a", job(prompt_tokens=100, output_tokens=1), 0.0)

    assert {"a": exactly(1.107 + 1.0005)} == instants(reports(engine), Ending)


def test_a_link_that_is_down_keeps_a_request_waiting_and_the_engine_idle() -> None:
    link = SERVER.link
    way = Way(link, (Pipe(link.up_bytes_per_s, outages=[(0.0, 3.0)]),), (Pipe(link.down_bytes_per_s),))
    engine = Engine(SERVER, way=way)
    engine.arrive("a", job(prompt_tokens=100, output_tokens=1), 1.0)

    assert {"a": exactly(3.0 + 0.117 + 0.0105)} == instants(reports(engine), Ending)


def test_a_link_that_goes_down_holds_an_answer_back_while_the_engine_writes_on() -> None:
    link = SERVER.link
    way = Way(link, (Pipe(link.up_bytes_per_s),), (Pipe(link.down_bytes_per_s, outages=[(0.15, 3.0)]),))
    engine = Engine(SERVER, way=way)
    engine.arrive("a", job(prompt_tokens=100, output_tokens=11), 0.0)

    known = reports(engine)

    # The first token comes in time. The others are written by 0.327: it is known at 3 that they were.
    assert {"a": exactly(0.1275)} == first_tokens(known)
    assert exactly(3.0 + 0.0105) == instants(known, Ending)["a"]


def test_a_stream_that_is_too_much_for_its_link_ends_late_by_the_backlog() -> None:
    engine = Engine(replace(SERVER, link=replace(SERVER.link, down_bytes_per_s=2500.0)))
    engine.arrive("a", job(prompt_tokens=100, output_tokens=101), 0.0)

    known = reports(engine)

    # A hundred tokens take 2.1 s to write and 0.1 s each to move. The first one leaves at 0.117.
    assert {"a": exactly(0.117 + 0.1 + 0.01)} == first_tokens(known)
    assert {"a": exactly(0.117 + 10.1 + 0.01)} == instants(known, Ending)


def first_tokens(known: list[Report]) -> dict[str, float]:
    """Return when each stream first told something."""
    return {report.attempt_id: report.at_s for report in reversed(known) if isinstance(report.event, Progress)}


@pytest.mark.parametrize(("when_late", "patience_s"), [(WhenLate.SERVE, 20.0), (WhenLate.CANCEL, 4.0)])
def test_the_attempts_of_a_server_that_vanished_end_when_patience_does(when_late: WhenLate, patience_s: float) -> None:
    noted: list[Entry] = []
    trouble = Trouble(outages=(vanishing(5.0, 500.0),))
    run(
        scenario(
            services=(replace(CHAT, timeout_s=20.0, when_late=when_late),),
            load=changed(LOAD, leaving_fraction=0.0),
            world=WorldSettings(trouble=trouble),
        ),
        1,
        sinks=[noted.append],
    )
    arrived_at_s = {entry.subject: entry.at_s for entry in noted if isinstance(entry.value, Request)}
    lost = {
        action.attempt_id: arrived_at_s[action.request_id] + patience_s
        for entry in noted
        for action in entry.actions
        if isinstance(action, Dispatch) and action.server_id == "edge" and entry.at_s > 5.0
    }
    ended = {entry.subject: (entry.at_s, entry.value) for entry in noted if isinstance(entry.value, Ending)}

    assert lost
    assert {name: (at_s, EndingKind.TIMED_OUT) for name, at_s in lost.items()} == {
        name: (at_s, ending.kind) for name, (at_s, ending) in ended.items() if name in lost
    }


def test_a_stream_is_told_as_far_as_its_link_could_carry_it() -> None:
    engine = Engine(replace(AT_HAND, link=replace(AT_HAND.link, down_bytes_per_s=2500.0)))
    engine.arrive("a", job(prompt_tokens=99, output_tokens=101), 0.0)

    told = [(report.at_s, report.event.tokens) for report in reports(engine) if isinstance(report.event, Progress)]

    # Written by 1.1 are 48 tokens and by 2.1 96, which take a tenth of a second each from 0.1 on.
    assert [(exactly(0.2), 1), (exactly(0.1 + 4.8), 48), (exactly(0.1 + 9.6), 96)] == told


def test_of_an_aborted_stream_what_its_link_could_carry_has_come() -> None:
    engine = Engine(replace(AT_HAND, link=replace(AT_HAND.link, down_bytes_per_s=2500.0)), report_every_s=inf)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=101), 0.0)
    reports(engine, until_s=3.05)

    # A tenth of a second each from 0.1 on.
    assert 29 == engine.abort("a", EndingKind.CANCELLED, 3.05).output_tokens
