"""A series has a row for each interval, and its rows add up to the run."""

import pytest

from perllm.accounting.idle import IdleAccounting
from perllm.accounting.interval import IntervalRow
from perllm.accounting.series import Series
from perllm.domain.action import Fate, PowerState, SetPower
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.entry import Entry
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


def rows_of(*entries: Entry, every_s: float = 10.0, idle: IdleAccounting = IdleAccounting.ALL) -> list[IntervalRow]:
    rows: list[IntervalRow] = []
    series = Series(every_s, rows.append, idle)
    for entry in entries:
        series(entry)
    series.close()
    return rows


def test_an_interval_counts_what_happened_in_it() -> None:
    (row,) = rows_of(
        configure_entry(server(idle_w=10.0)),
        submit_entry(request(), dispatch(), at_s=1.0),
        close_entry("r1#1", completed(output_tokens=20), finish(output_tokens=20), at_s=5.0),
    )

    assert (0.0, 5.0) == (row.from_s, row.to_s)
    assert (1, 1, 1, 1.0) == (row.arrivals, row.completed, row.in_time, row.attainment)
    assert (1.0, 4.0, 50.0) == (row.energy_j.transmit, row.energy_j.infer, row.energy_j.idle)
    assert (20, 4.0, 4.0) == (row.output_tokens, row.throughput_tokens_per_s, row.goodput_tokens_per_s)
    # 3 s were predicted and 4 s passed; 6 J were predicted and 5 J drawn.
    assert (0.25, -0.25) == (row.prediction_error.median_absolute_fraction, row.prediction_error.bias_fraction)
    assert 0.2 == pytest.approx(row.prediction_error.energy_bias_fraction)
    assert (1, 1.0) == (row.services["chat"].completed, row.services["chat"].attainment)


def test_an_interval_without_events_has_a_row() -> None:
    rows = rows_of(configure_entry(server()), wake_entry(at_s=35.0))

    assert [(0.0, 10.0), (10.0, 20.0), (20.0, 30.0), (30.0, 35.0)] == [(row.from_s, row.to_s) for row in rows]
    assert [100.0, 100.0, 100.0, 50.0] == [row.energy_j.idle for row in rows]
    assert [(0, None)] * 4 == [(row.arrivals, row.attainment) for row in rows]


def test_what_happens_at_the_end_of_an_interval_belongs_to_the_next() -> None:
    first, last = rows_of(configure_entry(server()), submit_entry(request(), at_s=10.0))

    assert (0, 1) == (first.arrivals, last.arrivals)
    assert (10.0, 10.0, None) == (last.from_s, last.to_s, last.throughput_tokens_per_s)


def test_rows_are_told_while_the_run_goes_on() -> None:
    rows: list[IntervalRow] = []
    series = Series(10.0, rows.append)
    series(configure_entry(server()))
    series(wake_entry(at_s=25.0))

    assert 2 == len(rows)


def test_what_is_open_is_told_at_the_end_and_on_average() -> None:
    held, sent, done = rows_of(
        configure_entry(server()),
        submit_entry(request(), at_s=5.0),
        wake_entry(dispatch(), at_s=15.0),
        close_entry("r1#1", completed(), finish(), at_s=25.0),
    )

    assert [(1, 0.5, 0, 0.0), (0, 0.5, 1, 0.5), (0, 0.0, 0, 1.0)] == [
        (row.held, row.held_mean, row.in_flight, row.in_flight_mean) for row in (held, sent, done)
    ]
    assert [(0, 0.0), (1, 0.5), (0, 1.0)] == [
        (row.servers["edge"].outstanding, row.servers["edge"].outstanding_mean) for row in (held, sent, done)
    ]


def test_requests_are_conserved_in_every_row() -> None:
    rows = rows_of(
        configure_entry(server()),
        *(submit_entry(request(f"r{number}"), dispatch(f"r{number}"), at_s=3.0 * number) for number in range(10)),
        close_entry("r1#1", completed(), finish("r1"), at_s=29.0),
        close_entry("r2#1", Ending(kind=EndingKind.FAILED), finish("r2", fate=Fate.FAILED, in_time=False), at_s=33.0),
    )

    arrived = ended = 0
    for row in rows:
        arrived += row.arrivals
        ended += row.completed + row.failed + row.timed_out + row.cancelled + row.refused
        assert arrived == ended + row.held + row.in_flight
    assert (10, 2) == (arrived, ended)


def test_errors_of_one_interval_are_not_those_of_the_next() -> None:
    rows = rows_of(
        configure_entry(server()),
        submit_entry(request(), dispatch(), at_s=0.0),
        close_entry("r1#1", completed(), finish(), at_s=6.0),
        wake_entry(at_s=12.0),
    )

    assert [0.5, None] == [row.prediction_error.median_absolute_fraction for row in rows]


@pytest.mark.parametrize(
    ("rule", "joules"), [(IdleAccounting.ALL, 100.0), (IdleAccounting.POWERED, 40.0), (IdleAccounting.NONE, 0.0)]
)
def test_idle_joules_follow_the_rule(rule: IdleAccounting, joules: float) -> None:
    (row,) = rows_of(
        configure_entry(server(idle_w=20.0)),
        wake_entry(SetPower(server_id="edge", state=PowerState.ASLEEP), at_s=2.0),
        wake_entry(at_s=5.0),
        idle=rule,
    )

    assert joules == row.energy_j.idle


def test_a_run_without_entries_has_no_rows() -> None:
    assert [] == rows_of()
