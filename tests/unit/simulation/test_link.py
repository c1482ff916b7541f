"""Bytes on their way: one behind the other, late by what a pipe could not carry, never early."""

from __future__ import annotations

from math import inf

import pytest

from perllm.domain.server import Link
from perllm.simulation.link import Pipe, Way, way_of
from perllm.simulation.weather import recorded
from tests.unit.simulation.machines import exactly

# A thousand bytes a second.
SLOW = 1000.0
NO_DISTANCE = Link(rtt_s=0.0, up_bytes_per_s=SLOW, down_bytes_per_s=SLOW)


def test_bytes_go_one_behind_the_other() -> None:
    pipe = Pipe(SLOW)

    assert [1.0, 1.5, 5.0] == [pipe.send(0.0, 1000), pipe.send(0.2, 500), pipe.send(4.0, 1000)]


def test_a_few_bytes_slip_past_the_queue_and_leave_no_trace() -> None:
    pipe = Pipe(SLOW)
    pipe.send(0.0, 1000)

    assert exactly(0.3) == pipe.soonest(0.2, 100)
    assert 1.1 == pipe.send(0.2, 100)


def test_the_rate_follows_the_weather() -> None:
    pipe = Pipe(SLOW, recorded([(0.0, 1.0), (2.0, 0.5), (4.0, 3.0)]))

    # One second at full rate, two at half of it, then three times as fast.
    assert exactly(4.0 + 1000 / 3000) == pipe.send(1.0, 1000 + 1000 + 1000)
    assert exactly(2.5) == pipe.soonest(1.5, 750)


def test_nothing_moves_in_an_outage_and_everything_after_it() -> None:
    pipe = Pipe(SLOW, outages=[(5.0, 9.0), (1.0, 2.0)])

    assert [exactly(3.0), exactly(4.0), exactly(10.0)] == [
        pipe.send(0.0, 2000),
        pipe.send(3.0, 1000),
        pipe.send(4.0, 2000),
    ]
    assert exactly(9.1) == pipe.soonest(6.0, 100)


def test_outages_that_overlap_are_one() -> None:
    pipe = Pipe(SLOW, outages=[(1.0, 3.0), (2.0, 5.0)])

    assert exactly(6.0) == pipe.send(0.0, 2000)


def test_what_is_sent_into_a_pipe_that_never_recovers_never_arrives() -> None:
    pipe = Pipe(SLOW, recorded([(0.0, 1.0), (1.0, 0.0)]))

    assert [0.5, inf, inf] == [pipe.send(0.0, 500), pipe.send(0.9, 500), pipe.send(2.0, 1)]


def test_there_and_back_takes_half_a_round_trip_each_and_the_request_has_its_own_luck() -> None:
    way = way_of(Link(rtt_s=0.2, up_bytes_per_s=SLOW, down_bytes_per_s=2 * SLOW))

    assert exactly(3.0 + 1.5 * (1.0 + 0.1)) == way.arrives_at_s(3.0, 1000, 1.5)
    assert exactly(7.0 + 1.5 * (0.5 + 0.1)) == way.returns_at_s(7.0, 1000, 1.5)


def test_a_stream_that_the_pipe_can_carry_is_late_by_its_last_bytes_alone() -> None:
    # Written in ten seconds: nine thousand bytes.
    assert exactly(10.25) == way_of(NO_DISTANCE).drained_at_s(0.0, 10.0, 9000, 250, 1.0)


def test_a_stream_that_is_more_than_the_pipe_can_carry_is_late_by_the_backlog() -> None:
    assert exactly(15.0) == way_of(NO_DISTANCE).drained_at_s(0.0, 10.0, 15000, 250, 1.0)


def test_two_streams_at_once_wait_for_one_another() -> None:
    way = way_of(NO_DISTANCE)

    # Eight thousand bytes each, written in the same ten seconds.
    assert exactly(10.25) == way.drained_at_s(0.0, 10.0, 8000, 250, 1.0)
    assert exactly(16.0) == way.drained_at_s(0.0, 10.0, 8000, 250, 1.0)


def test_what_an_outage_held_up_while_a_stream_was_written_comes_after_it() -> None:
    way = Way(NO_DISTANCE, (Pipe(SLOW),), (Pipe(SLOW, outages=[(2.0, 8.0)]),))

    # Of nine thousand bytes in ten seconds, the pipe carries two thousand before the outage and the others after it.
    assert exactly(15.0) == way.drained_at_s(0.0, 10.0, 9000, 250, 1.0)


@pytest.mark.parametrize("uplink", [200.0, 5000.0])
def test_the_narrowest_of_the_pipes_in_a_row_says_how_long_it_takes(uplink: float) -> None:
    way = Way(NO_DISTANCE, (Pipe(SLOW), Pipe(uplink)), (Pipe(SLOW), Pipe(uplink)))

    assert exactly(1000 / min(SLOW, uplink)) == way.arrives_at_s(0.0, 1000, 1.0)
    assert exactly(1000 / min(SLOW, uplink)) == way.returns_at_s(0.0, 1000, 1.0)
    assert exactly(1000 / min(SLOW, uplink)) == way.drained_at_s(0.0, 0.0, 1000, 1000, 1.0)


def test_up_and_down_do_not_hinder_each_other() -> None:
    way = way_of(NO_DISTANCE)

    assert [1.0, 1.0] == [way.arrives_at_s(0.0, 1000, 1.0), way.drained_at_s(0.0, 0.0, 1000, 1000, 1.0)]


def test_the_soonest_arrival_looks_past_what_is_queued_and_queues_nothing() -> None:
    way = way_of(Link(rtt_s=0.2, up_bytes_per_s=SLOW, down_bytes_per_s=SLOW))
    way.arrives_at_s(0.0, 1000, 1.0)

    assert exactly(0.2 + 0.5 + 0.1) == way.soonest_at_s(0.2, 500, 1.0)
    assert exactly(1.0 + 0.5 + 0.1) == way.arrives_at_s(0.2, 500, 1.0)
