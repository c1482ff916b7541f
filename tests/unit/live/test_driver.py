"""The driver hands every answer of the brain to whom it concerns, and keeps the brain's timer."""

from __future__ import annotations

import asyncio

import pytest

from perllm.domain.action import CancelCause, Fate, PowerState, SetPower
from perllm.domain.attempt import Ending, EndingKind
from perllm.errors import InvariantError
from perllm.live.driver import Driver
from tests.parity.virtual_loop import run_virtual, virtual_loop
from tests.unit.live.port import ScriptedPort, cancel, dispatch, finish, refuse, request

DONE = Ending(kind=EndingKind.COMPLETED)


def driver_of(port: ScriptedPort) -> Driver:
    return Driver(port, asyncio.get_running_loop())


async def test_a_decision_taken_at_once_costs_no_turn_of_the_loop() -> None:
    port = ScriptedPort()
    port.answers = [[dispatch("a")]]
    ticket = driver_of(port).submit(request("a"))

    waiting = ticket.decision()
    with pytest.raises(StopIteration) as stopped:
        waiting.send(None)

    assert dispatch("a") == stopped.value.value


async def test_an_answer_to_one_request_may_decide_another() -> None:
    port = ScriptedPort()
    driver = driver_of(port)
    port.answers = [[dispatch("a")], [], [finish("a"), dispatch("b")]]
    first, second = driver.submit(request("a")), driver.submit(request("b"))
    held = asyncio.create_task(second.decision())
    await asyncio.sleep(0)
    assert not held.done()

    driver.close(first, DONE)

    assert dispatch("b") == await held
    assert first.outcome is not None
    assert "b#1" == second.attempt_id


async def test_a_refusal_reaches_the_one_who_waits() -> None:
    port = ScriptedPort()
    port.answers = [[refuse("a"), finish("a", Fate.REFUSED)]]
    ticket = driver_of(port).submit(request("a"))

    assert refuse("a") == await ticket.decision()
    assert ticket.outcome is not None


async def test_the_brain_can_stop_an_attempt_that_runs() -> None:
    port = ScriptedPort()
    driver = driver_of(port)
    port.answers = [[dispatch("a")], [cancel("a")]]
    ticket = driver.submit(request("a"))
    asyncio.get_running_loop().call_soon(driver.configure, (), ())

    with pytest.raises(TimeoutError):
        async with ticket.scope():
            await asyncio.Event().wait()

    assert CancelCause.TIMED_OUT is ticket.stopped


async def test_the_brain_can_stop_an_attempt_before_it_has_begun() -> None:
    port = ScriptedPort()
    driver = driver_of(port)
    port.answers = [[dispatch("a")], [cancel("a")]]
    ticket = driver.submit(request("a"))
    driver.configure((), ())

    with pytest.raises(TimeoutError):
        async with ticket.scope():
            await asyncio.Event().wait()


async def test_a_client_that_leaves_is_told_apart_from_a_brain_that_stops() -> None:
    port = ScriptedPort()
    port.answers = [[dispatch("a")]]
    ticket = driver_of(port).submit(request("a"))

    async def attempt() -> None:
        async with ticket.scope():
            await asyncio.Event().wait()

    task = asyncio.create_task(attempt())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_second_attempt_is_not_stopped_by_what_stopped_the_first() -> None:
    port = ScriptedPort()
    driver = driver_of(port)
    port.answers = [[dispatch("a")], [cancel("a")], [dispatch("a", 2)]]
    ticket = driver.submit(request("a"))
    driver.configure((), ())
    driver.close(ticket, Ending(kind=EndingKind.FAILED, retryable=True))

    async with ticket.scope():
        await asyncio.sleep(0)

    assert "a#2" == ticket.attempt_id


async def test_a_second_attempt_can_be_stopped_before_it_has_begun() -> None:
    port = ScriptedPort()
    driver = driver_of(port)
    port.answers = [[dispatch("a")], [dispatch("a", 2)], [cancel("a")]]
    ticket = driver.submit(request("a"))
    async with ticket.scope():
        pass
    driver.close(ticket, Ending(kind=EndingKind.FAILED, retryable=True))
    driver.configure((), ())

    with pytest.raises(TimeoutError):
        async with ticket.scope():
            await asyncio.Event().wait()


async def test_abandoning_closes_what_was_decided_but_never_begun() -> None:
    port = ScriptedPort()
    driver = driver_of(port)
    port.answers = [[dispatch("a")], [cancel("a", CancelCause.CLIENT_LEFT)], [finish("a", Fate.CANCELLED)]]
    ticket = driver.submit(request("a"))

    driver.abandon(ticket)
    driver.abandon(ticket)

    assert [("submit", "a"), ("cancel", "a"), ("close", "a#1", EndingKind.CANCELLED)] == port.kinds()
    driver.stop()


async def test_abandoning_a_held_request_only_cancels_it() -> None:
    port = ScriptedPort()
    driver = driver_of(port)
    port.answers = [[], [finish("a", Fate.CANCELLED)]]

    driver.abandon(driver.submit(request("a")))

    assert [("submit", "a"), ("cancel", "a")] == port.kinds()


async def test_an_attempt_that_is_not_open_cannot_be_closed() -> None:
    port = ScriptedPort()
    driver = driver_of(port)
    port.answers = [[dispatch("a")], [finish("a")]]
    ticket = driver.submit(request("a"))
    driver.close(ticket, DONE)

    with pytest.raises(InvariantError, match="no open attempt"):
        driver.close(ticket, DONE)


async def test_stopping_with_a_request_alive_is_a_bug() -> None:
    driver = driver_of(ScriptedPort())
    driver.submit(request("a"))

    with pytest.raises(InvariantError, match="left behind"):
        driver.stop()


async def test_an_action_that_no_machine_can_do_is_a_bug() -> None:
    port = ScriptedPort()
    port.answers = [[SetPower(server_id="edge", state=PowerState.ASLEEP)]]

    with pytest.raises(InvariantError, match="no machine"):
        driver_of(port).configure((), ())


def test_the_brain_is_woken_at_the_instant_it_asks_for() -> None:
    async def main() -> list[tuple[object, ...]]:
        port = ScriptedPort()
        driver = driver_of(port)
        port.wake_at_s = 2.5
        driver.configure((), ())
        await virtual_loop().until(10.0)
        driver.stop()
        return port.events

    assert [("configure", 0.0), ("wake", 2.5)] == run_virtual(main())


def test_an_earlier_instant_replaces_a_later_one_and_a_later_one_is_not_forgotten() -> None:
    async def main() -> list[tuple[object, ...]]:
        port = ScriptedPort()
        driver = driver_of(port)
        for instant_s in (5.0, 2.0, 3.0):
            port.wake_at_s = instant_s
            driver.configure((), ())
        await virtual_loop().until(10.0)
        driver.stop()
        return port.events[3:]

    assert [("wake", 3.0)] == run_virtual(main())


def test_a_timer_nobody_needs_any_more_wakes_nobody() -> None:
    async def main() -> list[tuple[object, ...]]:
        port = ScriptedPort()
        driver = driver_of(port)
        for instant_s in (5.0, None):
            port.wake_at_s = instant_s
            driver.configure((), ())
        await virtual_loop().until(10.0)
        driver.stop()
        return port.events[2:]

    assert [] == run_virtual(main())


async def test_the_brains_clock_never_goes_back() -> None:
    class Loop:
        instants = iter((5.0, 5.0, 4.0, 6.0))

        def time(self) -> float:
            return next(self.instants)

    driver = Driver(ScriptedPort(), Loop())  # type: ignore[arg-type]

    assert [5.0, 5.0, 6.0] == [driver.now_s for _ in range(3)]
