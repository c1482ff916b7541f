"""Waiting for company: when it pays, and that nobody is lost by it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.domain.action import Dispatch
from perllm.domain.profile import Batching, SpeedProfile
from perllm.domain.request import Requirement
from perllm.domain.server import Server
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
        at_s = 0.3 * number
        dispatch_of(brain.submit(request(f"old{number}", requirement=TIGHT, hold_until_s=at_s), at_s))
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


def steady(every_s: float, requests: int = 10, server: Server = READER) -> tuple[Scheduler, float]:
    """Return an idle brain that has served a request now and then, and the instant at which the next one is due."""
    brain = scheduler(server)
    for number in range(requests):
        at_s = every_s * number
        dispatch = dispatch_of(brain.submit(request(f"old{number}", requirement=RELAXED, hold_until_s=at_s), at_s))
        brain.close(dispatch.attempt_id, completed(), at_s + 0.9 * every_s)
    return brain, every_s * requests


def test_the_first_request_of_all_waits_for_nobody() -> None:
    assert ["first"] == sent(scheduler(READER).submit(request("first", requirement=RELAXED), 0.0))


def test_an_idle_server_is_put_to_work_for_two_at_once_where_the_next_one_is_near() -> None:
    brain, now_s = steady(2.0)

    assert [] == sent(brain.submit(request("relaxed", requirement=RELAXED), now_s))
    assert ["next", "relaxed"] == sent(brain.submit(request("next", hold_until_s=now_s + 1.0), now_s + 1.0))


def test_nobody_waits_for_company_that_has_stopped_coming() -> None:
    brain, now_s = steady(2.0)

    assert ["late"] == sent(brain.submit(request("late", requirement=RELAXED), now_s + 3600.0))


def test_a_caller_that_cannot_wait_does_not_wait_for_company() -> None:
    assert ["now"] == sent(busy().submit(request("now", requirement=RELAXED, hold_until_s=1.0), 1.0))


def test_who_leaves_while_waiting_for_company_is_gone() -> None:
    brain = busy()
    brain.submit(request("relaxed", requirement=RELAXED), 1.0)

    brain.cancel("relaxed", 1.1)

    assert 0 == brain.counts().held
    assert ["urgent"] == sent(brain.submit(request("urgent", requirement=Requirement()), 1.2))


def test_an_idle_server_that_gains_nothing_by_company_is_not_kept_waiting() -> None:
    """All arithmetic: two sequences take twice as long as one."""
    speed = SpeedProfile(prefill_token_s=0.0004, decode_token_s=0.05)
    brain, now_s = steady(4.0, server=replace(READER, speed=speed))

    assert ["alone"] == sent(brain.submit(request("alone", requirement=RELAXED), now_s))


def test_a_first_token_that_must_come_soon_does_not_wait_for_company() -> None:
    soon = Requirement(total_s=60.0, first_token_s=0.5)

    assert ["soon"] == sent(busy().submit(request("soon", requirement=soon, stream=True), 1.0))


def test_an_idle_server_is_not_kept_waiting_for_long_however_much_time_there_is() -> None:
    """Five usual gaps of 2 s, although the requirement leaves an hour."""
    brain, now_s = steady(2.0)
    brain.submit(request("patient", requirement=Requirement(total_s=3600.0)), now_s)

    gone_at_s = None
    while gone_at_s is None and brain.wake_at_s is not None:
        at_s = brain.wake_at_s
        gone_at_s = at_s if sent(brain.wake(at_s)) else None

    assert gone_at_s is not None
    assert gone_at_s <= now_s + 5 * 2.0 + 1e-6
