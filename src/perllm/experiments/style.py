"""How figures look: colours that colour-blind readers tell apart, quiet frames, units on every axis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import nan
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter

# Okabe and Ito, "Color Universal Design" (2008).
BLACK: Final = "#000000"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
GREY: Final = "#A9A9A9"

QUIET: Final = "#6B6B6B"
FAINT: Final = "#D9D9D9"

_DPI: Final = 120
_WIDTH_INCHES: Final = 9.0
_HEAD_INCHES: Final = 0.62
_SETTINGS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelcolor": QUIET,
        "axes.edgecolor": QUIET,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.6,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "lines.linewidth": 1.6,
        "lines.solid_capstyle": "round",
        "legend.frameon": False,
        "legend.fontsize": 9.0,
    }
)


@contextmanager
def figure(
    path: Path, heading: str, subject: str, *, rows: int, columns: int = 1, height: float, share_x: bool = True
) -> Iterator[list[Axes]]:
    """Yield the panels of a figure, row by row, mostly on one horizontal axis, and write it when they are drawn."""
    with rc_context(dict(_SETTINGS)):  # type: ignore[arg-type]
        made = Figure(figsize=(_WIDTH_INCHES, height))
        made.set_layout_engine("constrained", rect=(0.0, 0.0, 0.995, 1.0 - _HEAD_INCHES / height), hspace=0.06)
        made.text(0.012, 1.0 - 0.12 / height, heading, va="top", size=13, weight="bold")
        made.text(0.012, 1.0 - 0.4 / height, subject, va="top", color=QUIET)
        yield list(made.subplots(rows, columns, sharex=share_x, squeeze=False).flat)
        made.savefig(path, dpi=_DPI)


def legend(axes: Axes) -> None:
    """Put a panel's legend above it, on its right, where it hides nothing."""
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, borderaxespad=0.1, handlelength=1.4)


def legend_in_head(axes: Axes) -> None:
    """Put a panel's legend beside the heading, for it tells of all panels."""
    handles, labels = axes.get_legend_handles_labels()
    axes.figure.legend(handles, labels, loc="upper right", bbox_to_anchor=(0.99, 1.0), ncols=5, handlelength=1.4)


def legend_beside(axes: Axes) -> None:
    """Put a legend of many entries on the right of its panel."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, handlelength=1.6)


def line(axes: Axes, values: Iterable[float | None], edges: Sequence[float], colour: str, label: str) -> None:
    """Draw one value for each interval, with a gap where nothing is known."""
    known = [nan if value is None else value for value in values]
    axes.stairs(known, edges, baseline=None, color=colour, label=label, linewidth=1.6, zorder=3)


def in_percent(axes: Axes) -> None:
    """Read the vertical axis as shares."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100.0 * share:.3g}%".replace("-", "−")))


def in_unit(axes: Axes, unit: str) -> None:
    """Read the vertical axis in a unit with prefixes: kJ, MJ."""
    axes.yaxis.set_major_formatter(EngFormatter(unit=unit))
