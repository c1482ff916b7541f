"""The axis of time that the panels of a figure share: the edges of a series' intervals, in the unit that reads best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from matplotlib.axes import Axes

from perllm.accounting.interval import IntervalRow

# Up to so many seconds a unit reads best; then its name, and how many seconds it has.
_UNITS: Final = ((900.0, "s", 1.0), (4 * 3600.0, "min", 60.0), (4 * 86400.0, "h", 3600.0))
_LONGEST: Final = ("days", 86400.0)


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Where intervals begin and end, counted from the first, and how long they are in words."""

    edges: tuple[float, ...]
    unit: str
    interval: str

    @property
    def middles(self) -> list[float]:
        """The middle of each interval."""
        return [(left + right) / 2.0 for left, right in pairwise(self.edges)]

    def label(self, axes: Axes) -> None:
        """Say what the axis shows."""
        axes.set_xlabel(f"time since the start of the run ({self.unit})")
        axes.set_xlim(self.edges[0], self.edges[-1])


def time_axis(rows: Sequence[IntervalRow]) -> TimeAxis:
    """Return the axis of a series of at least one row."""
    start_s, end_s = rows[0].from_s, rows[-1].to_s
    fitting = ((unit, unit_s) for most_s, unit, unit_s in _UNITS if end_s - start_s <= most_s)
    unit, unit_s = next(fitting, _LONGEST)
    edges = (start_s, *(row.to_s for row in rows))
    interval_s = rows[0].to_s - start_s
    return TimeAxis(tuple((edge - start_s) / unit_s for edge in edges), unit, f"{interval_s:.3g} s")
