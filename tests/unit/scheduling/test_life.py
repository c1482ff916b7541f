"""The tables of life."""

from __future__ import annotations

import pytest

from perllm.errors import InvariantError
from perllm.scheduling.life import (
    ATTEMPT_LIFE,
    REQUEST_LIFE,
    AttemptEvent,
    AttemptState,
    RequestEvent,
    RequestState,
    after_attempt,
    after_request,
    diagram,
)


def test_every_request_state_can_be_reached_and_left_or_is_an_end() -> None:
    reached = {RequestState.HELD, *REQUEST_LIFE.values()}
    left = {state for state, _ in REQUEST_LIFE}

    assert set(RequestState) == reached
    assert {"completed", "failed", "timed_out", "cancelled", "refused"} == reached - left


def test_an_end_is_an_end() -> None:
    with pytest.raises(InvariantError, match="completed cannot dispatch"):
        after_request(RequestState.COMPLETED, RequestEvent.DISPATCH)
    with pytest.raises(InvariantError, match="closed"):
        after_attempt(AttemptState.CLOSED, AttemptEvent.CLOSE)


def test_the_diagram_draws_every_row() -> None:
    drawn = diagram(ATTEMPT_LIFE, AttemptState.SENT)

    assert len(ATTEMPT_LIFE) == drawn.count(": ")
    assert "[*] --> sent" in drawn
    assert "closed --> [*]" in drawn
