"""The timer the brain asks for."""

from __future__ import annotations

from perllm.scheduling.timers import Timers


def test_the_earliest_living_timer_is_next() -> None:
    timers = Timers()
    timers.set(3.0, "a")
    timers.set(1.0, "b")
    timers.set(2.0, "c")
    timers.clear("b")

    assert 2.0 == timers.next_at_s
    assert ["c", "a"] == timers.due(3.0)
    assert timers.next_at_s is None


def test_what_is_not_yet_due_stays() -> None:
    timers = Timers()
    timers.set(1.0, "a")
    timers.set(2.0, "a")

    assert ["a"] == timers.due(1.5)
    assert 2.0 == timers.next_at_s


def test_memory_stays_bounded_when_every_timer_is_cancelled() -> None:
    timers = Timers()
    for number in range(10_000):
        timers.set(600.0 + number, str(number))
        timers.clear(str(number))

    assert len(timers._heap) < 200
    assert not timers._owners
