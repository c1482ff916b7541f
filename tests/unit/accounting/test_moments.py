"""Entries are read as what begins, waits and ends."""

from typing import Any

from perllm.accounting.moments import Lives
from perllm.domain.action import Fate, PowerState, SetPower
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage
from perllm.domain.entry import Entry, EventKind
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


def told(lives: Lives, *entries: Entry) -> list[str]:
    return [type(moment).__name__ for entry in entries for moment in lives.moments(entry)]


def moment(lives: Lives, entry: Entry, name: str) -> Any:
    return next(moment for moment in lives.moments(entry) if type(moment).__name__ == name)


def test_a_request_that_is_sent_at_once_is_not_held() -> None:
    lives = Lives()

    assert ["Arrived", "Sent", "Closed", "Over"] == told(
        lives, submit_entry(request(), dispatch()), close_entry("r1#1", completed(), finish())
    )
    assert not lives.requests
    assert not lives.attempts


def test_a_request_is_held_from_its_arrival_until_it_is_sent() -> None:
    lives = Lives()

    assert ["Arrived", "Held"] == told(lives, submit_entry(request(), at_s=1.0))
    released = moment(lives, wake_entry(dispatch(), at_s=3.0), "Released")
    assert (1.0, "edge", None) == (released.since_s, released.dispatch.server_id, released.outcome)


def test_a_request_that_ends_while_held_is_released_into_its_outcome() -> None:
    lives = Lives()
    lives.moments(submit_entry(request(), at_s=1.0))

    released = moment(lives, wake_entry(finish(fate=Fate.TIMED_OUT), at_s=3.0), "Released")

    assert (None, Fate.TIMED_OUT) == (released.dispatch, released.outcome.fate)


def test_a_request_that_lost_its_server_is_held_unless_another_takes_it() -> None:
    lost = Ending(kind=EndingKind.FAILED, retryable=True)
    for taken, expected in (((), ["Closed", "Held"]), ((dispatch(number=2),), ["Closed", "Sent"])):
        lives = Lives()
        lives.moments(submit_entry(request(), dispatch()))

        assert expected == told(lives, close_entry("r1#1", lost, *taken))


def test_an_attempt_knows_when_its_first_token_came() -> None:
    lives = Lives()
    lives.moments(submit_entry(request(), dispatch()))
    for at_s, stage in ((1.0, Stage.FIRST_TOKEN), (2.0, Stage.TOKENS)):
        lives.moments(Entry(at_s, EventKind.PROGRESS, "r1#1", Progress(stage=stage, tokens=1), ()))

    closed = moment(lives, close_entry("r1#1", completed(), finish(), at_s=3.0), "Closed")

    assert (0.0, 1.0) == (closed.attempt.dispatched_at_s, closed.attempt.first_token_at_s)
    assert "r1" == closed.outcome.request_id


def test_what_cannot_be_is_passed_over() -> None:
    lives = Lives()

    assert [] == told(
        lives,
        close_entry("r9#1", completed(), finish("r9")),
        wake_entry(dispatch("r8")),
        Entry(1.0, EventKind.PROGRESS, "r9#1", Progress(stage=Stage.FIRST_TOKEN), ()),
    )


def test_fleets_and_power_are_told() -> None:
    asleep = SetPower(server_id="edge", state=PowerState.ASLEEP)

    assert ["Reconfigured", "Powered"] == told(Lives(), configure_entry(server()), wake_entry(asleep))
