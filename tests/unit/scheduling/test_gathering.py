"""Waiting for company: when it pays, and that nobody is lost by it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.domain.action import Dispatch
from perllm.domain.profile import Batching, SpeedProfile
from perllm.domain.request import Requirement
from perllm.scheduling.scheduler import Scheduler
from tests.unit.scheduling.builders import EDGE, completed, dispatch_of, request, scheduler

# Reading weights takes as long as 500 tokens of a prompt: prompts of 100 tokens share most of a step.
READER = replace(
    EDGE, slots=16, kv_tokens=100_000,
    speed=SpeedProfile(prefill_token_s=0.0004, decode_token_s=0.0004, weights_read_s=0.2),
)  # fmt: skip
RELAXED, TIGHT = Requirement(total_s=60.0), Requirement(total_s=10.0)


def busy(server: object = READER, **changes: object) -> Scheduler:
    """Return a brain whose server is writing four answers that are nearly late."""
    brain = scheduler(server, **changes)  # type: ignore[arg-type]
    for number in range(4):
        dispatch_of(brain.submit(request(f"old{number}", requirement=TIGHT), 0.0))
    return brain


def sent(actions: object) -> list[str]:
    return [action.request_id for action in actions if isinstance(action, Dispatch)]  # type: ignore[attr-defined]


def test_a_relaxed_request_waits_for_company_where_prompts_are_read_first() -> None:
    brain = busy()

    assert [] == sent(brain.submit(request("relaxed", requirement=RELAXED), 1.0))
    assert 1 == brain.counts().held


def test_who_goes_takes_along_those_that_wait() -> None:
    brain = busy()
    brain.submit(request("relaxed", requirement=RELAXED), 1.0)
    brain.submit(request("relaxed too", requirement=RELAXED), 1.01)

    assert ["urgent", "relaxed", "relaxed too"] == sent(brain.submit(request("urgent", requirement=Requirement()), 1.1))
    assert 0 == brain.counts().held


def test_nobody_waits_for_company_for_ever() -> None:
    brain = busy()
    brain.submit(request("relaxed", requirement=RELAXED), 1.0)

    gone: list[str] = []
    for _ in range(50):
        if brain.wake_at_s is None or gone or brain.wake_at_s > 20.0:
            break
        gone += sent(brain.wake(brain.wake_at_s))

    assert ["relaxed"] == gone


@pytest.mark.parametrize(
    "server",
    [replace(READER, batching=Batching.CHUNKED), replace(READER, slots=5)],
    ids=["read in pieces beside writing", "hardly any room"],
)
def test_nobody_waits_where_company_saves_nothing_or_room_is_scarce(server: object) -> None:
    assert ["relaxed"] == sent(busy(server).submit(request("relaxed", requirement=RELAXED), 1.0))


def test_an_idle_server_is_not_waited_for() -> None:
    assert ["first"] == sent(scheduler(READER).submit(request("first", requirement=RELAXED), 0.0))


def test_a_caller_that_cannot_wait_does_not_wait_for_company() -> None:
    assert ["now"] == sent(busy().submit(request("now", requirement=RELAXED, hold_until_s=1.0), 1.0))


def test_who_leaves_while_waiting_for_company_is_gone() -> None:
    brain = busy()
    brain.submit(request("relaxed", requirement=RELAXED), 1.0)

    brain.cancel("relaxed", 1.1)

    assert 0 == brain.counts().held
    assert ["urgent"] == sent(brain.submit(request("urgent", requirement=Requirement()), 1.2))


def test_a_server_that_empties_has_no_chances_left_to_lose() -> None:
    brain = busy()
    for number in range(4):
        brain.close(f"old{number}#1", completed(), 2.0)

    assert ["next"] == sent(brain.submit(request("next", requirement=RELAXED), 3.0))
