"""The axis of time is read in the unit that fits the run, and counts from its start."""

import pytest

from perllm.accounting.interval import IntervalRow
from perllm.accounting.series import Series
from perllm.experiments.time_axis import time_axis
from tests.unit.accounting.entries import wake_entry


def rows_of(start_s: float, end_s: float, every_s: float) -> list[IntervalRow]:
    rows: list[IntervalRow] = []
    series = Series(every_s, rows.append)
    for at_s in (start_s, end_s):
        series(wake_entry(at_s=at_s))
    series.close()
    return rows


@pytest.mark.parametrize(
    ("length_s", "unit", "end"),
    [(100.0, "s", 100.0), (3600.0, "min", 60.0), (86400.0, "h", 24.0), (864000.0, "days", 10.0)],
)
def test_the_unit_fits_the_length(length_s: float, unit: str, end: float) -> None:
    axis = time_axis(rows_of(50.0, 50.0 + length_s, length_s / 4))

    assert (unit, 0.0, end) == (axis.unit, axis.edges[0], axis.edges[-1])


def test_intervals_are_named_by_their_length() -> None:
    axis = time_axis(rows_of(0.0, 10.0, 4.0))

    assert ("4 s", (0.0, 4.0, 8.0, 10.0), [2.0, 6.0, 9.0]) == (axis.interval, axis.edges, axis.middles)
