"""What a run leaves behind beside its result: rows of requests, a time series, a timeline and plots, as asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perllm.accounting import IdleAccounting
from perllm.accounting.interval import IntervalRow
from perllm.accounting.request_rows import RequestRow, RequestRows
from perllm.accounting.series import Series
from perllm.accounting.timeline import Timeline
from perllm.cli.deferred import needing
from perllm.cli.output import err
from perllm.cli.output_file import ROWS, TRACE, check_file, check_folder, rows_to, trace_to
from perllm.domain.entry import Fleet
from perllm.journal.recording import Sink

_REQUESTS: Final = "--requests-out"
_SERIES: Final = "--series-out"
_TIMELINE: Final = "--timeline"
_PLOTS: Final = "--plots"

RequestsOut = Annotated[
    Path | None,
    typer.Option(_REQUESTS, metavar="FILE", help="Write a row for each request: .csv or .jsonl, also with .gz."),
]
SeriesOut = Annotated[
    Path | None,
    typer.Option(_SERIES, metavar="FILE", help="Write a row for each interval of time: .csv or .jsonl, also with .gz."),
]
TimelineOut = Annotated[
    Path | None,
    typer.Option(
        _TIMELINE,
        metavar="FILE",
        help="Write every attempt for chrome://tracing and ui.perfetto.dev: .json, .json.gz.",
    ),
]

Draw = Callable[[Sequence[IntervalRow], Fleet, str, Path], Sequence[Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The files asked for. Making it raises ConfigError where one could not be written: better now than later."""

    requests: Path | None = None
    series: Path | None = None
    timeline: Path | None = None
    plots: Path | None = None

    def __post_init__(self) -> None:
        check_file(self.requests, _REQUESTS, ROWS)
        check_file(self.series, _SERIES, ROWS)
        check_file(self.timeline, _TIMELINE, TRACE)
        check_folder(self.plots, _PLOTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The run that they are about: its name, the intervals of its series, how idle joules count, and its fleet."""

    about: Mapping[str, Any]
    every_s: float
    idle: IdleAccounting = IdleAccounting.ALL
    fleet: Fleet = Fleet(servers=(), services=())


def round_step(span_s: float) -> float:
    """Return the next smaller of 1, 2 and 5 times a power of ten: steps that people count in."""
    power = 10.0 ** floor(log10(span_s))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= span_s)


@contextmanager
def outputs(wanted: Wanted, subject: Subject) -> Iterator[list[Sink]]:
    """Yield the sinks that write what is wanted; it is whole when the context ends."""
    with ExitStack() as open_until_done:
        sinks: list[Sink] = []
        if wanted.requests is not None:
            columns = RequestRow.__struct_fields__
            sinks.append(RequestRows(open_until_done.enter_context(rows_to(wanted.requests, _REQUESTS, columns))))
        if wanted.timeline is not None:
            sinks.append(open_until_done.enter_context(_timeline(wanted.timeline, subject.about)))
        if wanted.series is not None or wanted.plots is not None:
            sinks.append(open_until_done.enter_context(_series(wanted, subject)))
        yield sinks


@contextmanager
def _timeline(path: Path, about: Mapping[str, Any]) -> Iterator[Timeline]:
    with trace_to(path, _TIMELINE, about) as write:
        timeline = Timeline(write)
        try:
            yield timeline
        finally:
            timeline.close()


@contextmanager
def _series(wanted: Wanted, subject: Subject) -> Iterator[Series]:
    """Write the series, and draw it once it is whole."""
    draw: Draw | None = needing("perllm.experiments.plots:draw", _PLOTS, "plots") if wanted.plots else None
    drawn: list[IntervalRow] = []
    with ExitStack() as open_until_done:
        writers: list[Callable[[IntervalRow], None]] = [drawn.append] if draw else []
        if wanted.series is not None:
            writers.append(open_until_done.enter_context(rows_to(wanted.series, _SERIES)))

        def write(row: IntervalRow) -> None:
            for writer in writers:
                writer(row)

        series = Series(subject.every_s, write, subject.idle)
        try:
            yield series
        finally:
            series.close()
    if draw is not None and wanted.plots is not None:
        title = ", ".join(f"{name} {value}" for name, value in subject.about.items())
        names = [path.name for path in draw(drawn, subject.fleet, title, wanted.plots)]
        err().print(f"Plots in {wanted.plots}: {', '.join(names)}", style="dim")
