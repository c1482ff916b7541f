"""A timeline is what readers of the Chrome trace event format expect."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from perllm.accounting.timeline import Timeline
from perllm.domain.action import Fate
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage
from perllm.domain.entry import Entry, EventKind
from perllm.domain.reason import Refusal
from tests.unit.accounting.entries import (
    close_entry,
    completed,
    configure_entry,
    dispatch,
    finish,
    request,
    server,
    submit_entry,
    wake_entry,
)
from tests.unit.accounting.trace_format import complaints

Event = Mapping[str, Any]
FLEET = configure_entry(server("edge", slots=1), server("cloud", slots=4))


def events_of(*entries: Entry) -> list[Event]:
    events: list[Event] = []
    timeline = Timeline(events.append)
    for entry in (FLEET, *entries):
        timeline(entry)
    timeline.close()
    assert [] == complaints(events)
    return events


def lasting(events: list[Event]) -> dict[str, tuple[int, int]]:
    return {event["name"]: (event["ts"], event["dur"]) for event in events if event["ph"] == "X"}


def named(events: list[Event], what: str) -> list[str]:
    return [event["args"]["name"] for event in events if event["name"] == what]


def streamed(request_id: str = "r1") -> Any:
    return replace(request(request_id), stream=True)


def first_token(attempt_id: str = "r1#1", at_s: float = 1.5) -> Entry:
    return Entry(at_s, EventKind.PROGRESS, attempt_id, Progress(stage=Stage.FIRST_TOKEN, tokens=1), ())


def test_a_stream_is_split_at_its_first_token() -> None:
    events = events_of(
        submit_entry(streamed(), dispatch(), at_s=1.0),
        first_token(),
        close_entry("r1#1", completed(), finish(), at_s=3.0),
    )

    assert {
        "chat: in time": (1_000_000, 2_000_000),
        "to the first token": (1_000_000, 500_000),
        "streaming": (1_500_000, 1_500_000),
    } == lasting(events)


def test_an_attempt_stands_before_its_phases_so_that_they_lie_in_it() -> None:
    events = events_of(
        submit_entry(streamed(), dispatch()), first_token(), close_entry("r1#1", completed(), finish(), at_s=3.0)
    )

    assert ["chat: in time", "to the first token", "streaming"] == [e["name"] for e in events if e["ph"] == "X"]


def test_an_answer_that_is_not_streamed_has_no_phases() -> None:
    events = events_of(submit_entry(request(), dispatch()), close_entry("r1#1", completed(), finish(), at_s=3.0))

    assert ["chat: in time"] == list(lasting(events))


def test_an_attempt_tells_what_was_expected_and_what_came() -> None:
    events = events_of(submit_entry(request(), dispatch()), close_entry("r1#1", completed(), finish(), at_s=2.0))

    (drawn,) = (event for event in events if event["ph"] == "X")
    assert {
        "request": "r1", "attempt": 1, "choice": "feasible", "requirement_s": 10.0, "predicted_s": 3.0, "took_s": 2.0,
        "predicted_j": 6.0, "spent_j": 5.0, "energy_method": "declared", "prompt_tokens": 100, "output_tokens": 20,
    } == drawn["args"]  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "in_time", "shown", "colour"),
    [
        (completed(), True, "in time", "good"),
        (completed(), False, "late", "bad"),
        (Ending(kind=EndingKind.FAILED), False, "failed", "terrible"),
        (Ending(kind=EndingKind.TIMED_OUT), False, "timed out", "terrible"),
        (Ending(kind=EndingKind.CANCELLED), False, "cancelled", "grey"),
        (Ending(kind=EndingKind.LOST), False, "lost", "terrible"),
    ],
)
def test_how_an_attempt_ended_is_its_name_and_colour(ending: Ending, in_time: bool, shown: str, colour: str) -> None:
    events = events_of(submit_entry(request(), dispatch()), close_entry("r1#1", ending, finish(in_time=in_time)))

    (drawn,) = (event for event in events if event["ph"] == "X")
    assert (f"chat: {shown}", colour) == (drawn["name"], drawn["cname"])


def test_a_server_is_a_process_and_its_slots_are_lanes() -> None:
    events = events_of(
        submit_entry(request("r1"), dispatch("r1")),
        submit_entry(request("r2"), dispatch("r2")),
        close_entry("r1#1", completed(), finish("r1"), at_s=2.0),
        submit_entry(request("r3"), dispatch("r3"), at_s=2.0),
        close_entry("r3#1", completed(), finish("r3"), at_s=4.0),
        close_entry("r2#1", completed(), finish("r2"), at_s=5.0),
    )

    assert ["held: requests without a server", "edge (edge, 1 slot)", "cloud (edge, 4 slots)"] == named(
        events, "process_name"
    )
    assert ["refused at once", "slot 1", "beyond its slots 1"] == named(events, "thread_name")
    counted = [event["args"] for event in events if event["ph"] == "C"]
    assert {"in slots": 1, "beyond slots": 1} == counted[1]
    assert {"in slots": 0, "beyond slots": 0} == counted[-1]


def test_waiting_requests_have_a_process_of_their_own() -> None:
    events = events_of(
        submit_entry(request("r1"), at_s=1.0),
        submit_entry(request("r2"), at_s=2.0),
        wake_entry(dispatch("r1", server_id="cloud"), finish("r2", fate=Fate.REFUSED), at_s=3.0),
        close_entry("r1#1", completed(), finish("r1"), at_s=4.0),
    )

    waits = [event for event in events if event["ph"] == "X" and event["pid"] == 1]
    assert [(1_000_000, 2_000_000, "cloud", None), (2_000_000, 1_000_000, None, "refused")] == [
        (event["ts"], event["dur"], event["args"]["sent_to"], event["args"]["ended_as"]) for event in waits
    ]
    assert [1, 2, 1, 0] == [event["args"]["requests"] for event in events if event["name"] == "held"]


def test_a_request_refused_at_once_is_a_mark() -> None:
    refused = finish(fate=Fate.REFUSED, finished_at_s=0.0)
    outcome = replace(refused.outcome, dispatched_at_s=None, attempts=0, refusal=Refusal.QUEUE_FULL)

    events = events_of(submit_entry(request(), replace(refused, outcome=outcome)))

    (mark,) = (event for event in events if event["ph"] == "i")
    assert ("chat: queue-full", {"request": "r1"}) == (mark["name"], mark["args"])


def test_what_is_open_at_the_end_is_drawn_up_to_it() -> None:
    events = events_of(submit_entry(streamed("r1"), dispatch("r1")), submit_entry(request("r2")), wake_entry(at_s=7.0))

    assert {
        "chat: open at the end": (0, 7_000_000), "to the first token": (0, 7_000_000), "chat": (0, 7_000_000),
    } == lasting(events)  # fmt: skip


def test_an_attempt_may_follow_another_within_a_microsecond() -> None:
    events = events_of(
        submit_entry(request("r1"), dispatch("r1"), at_s=0.1),
        close_entry("r1#1", completed(), finish("r1"), at_s=0.2000004),
        submit_entry(request("r2"), dispatch("r2"), at_s=0.2000004),
        close_entry("r2#1", completed(), finish("r2"), at_s=0.2000007),
    )

    assert 2 == sum(event["ph"] == "X" for event in events)


@pytest.mark.parametrize(
    ("spoilt", "complaint"),
    [
        ({"ts": 0.5}, "whole"),
        ({"dur": -1}, "not negative"),
        ({"ph": "Q"}, "unknown kind"),
        ({"ts": 1, "dur": 2_000_000}, "overlaps"),
        ({"tid": 9}, "without a name"),
    ],
)
def test_the_rules_find_what_breaks_them(spoilt: Event, complaint: str) -> None:
    events = events_of(submit_entry(request(), dispatch()), close_entry("r1#1", completed(), finish()))
    drawn = next(event for event in events if event["ph"] == "X")

    assert complaint in " ".join(complaints([*events, {**drawn, **spoilt}]))
