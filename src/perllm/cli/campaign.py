"""What commands of many runs have in common: their options, a bar with the time left, and an end that keeps all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from perllm.cli.deferred import needing
from perllm.cli.output import err, out, show
from perllm.cli.output import table as text_table
from perllm.cli.output_file import check_folder
from perllm.experiments.contest.campaign import drive
from perllm.experiments.contest.cell import Cell, World
from perllm.experiments.contest.outcome import Draw
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.scene import key_of, scene_of
from perllm.experiments.contest.store import Store
from perllm.experiments.contest.tables import Table

DEFAULT: Final = "cs-ucb"
_WIDE_COLUMNS: Final = 120
NEEDS_FIGURES: Final = "--figures (there is --no-figures)"

Policies = Annotated[
    str,
    typer.Option(
        metavar="A,B,…",
        help="Contenders, each NAME[+hold|+push][:key=value]…: +hold lets requests wait in the scheduler, +push does"
        " not, and keys are the policy's own.",
    ),
]
Seeds = Annotated[str, typer.Option(metavar="N|A-B", help="How many seeds, or which. All contenders get the same.")]
Requests = Annotated[int | None, typer.Option(min=1, max=10_000_000, help="In each run, instead of the scenario's.")]
Workers = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Processes; as many as there are cores if not given.")
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where runs are kept and results are written.")]
Json = Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the results as JSON there too.")]
Figures = Annotated[bool, typer.Option("--figures/--no-figures", help="Draw PNG files and put them into the report.")]
Against = Annotated[str, typer.Option(metavar="CONTENDER", help="The one that all others are compared with.")]
Tolerance = Annotated[
    float, typer.Option(min=0.0, max=0.5, help="How far below its target a service may be and still count as met.")
]


def cores() -> int:
    """Return how many processes may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def opened(folder: Path, worlds: Iterable[World] = ()) -> Store:
    """Open the folder of a campaign, and read its worlds. Raises ConfigError now for what would fail later."""
    check_folder(folder, "--out")
    for world in worlds:
        scene_of(world)
    return Store(folder)


def drawing(wanted: bool) -> Draw | None:
    """Return what draws figures. Raises ConfigError where that is not installed."""
    if not wanted:
        return None
    draw: Draw = needing("perllm.experiments.contest.figures:draw", NEEDS_FIGURES, "plots")
    return draw


def run_grid(cells: Sequence[Cell], store: Store, workers: int | None) -> list[Row]:
    """Run what of a grid was not run before, and return all its rows in its order."""
    once = list({key_of(cell): cell for cell in cells}.values())
    _say_what_is_there(once, store)
    with counting("runs", len(once), store) as told:
        drive(once, told(lambda cell, row: ()), store, workers or cores())
    return [row for row in map(store.find, cells) if row is not None]


def _say_what_is_there(cells: Sequence[Cell], store: Store) -> None:
    known = sum(store.find(cell) is not None for cell in cells)
    outdated = sum(store.outdated(cell, scene_of(cell.world).scenario.name) for cell in cells)
    if known:
        err().print(f"{known} of {len(cells)} runs are in {store.path} already.", style="dim")
    if outdated:
        err().print(
            f"[yellow]{outdated} runs there are of another version of the scenario or of PerLLM:[/yellow]"
            " they are run again; the old ones stay in the file and are not counted."
        )


Follow = Callable[[Cell, Row], Iterable[Cell]]


@contextmanager
def counting(what: str, total: int | None, store: Store) -> Iterator[Callable[[Follow], Follow]]:
    """Show how many runs are finished and what time is left, and on Ctrl-C say how to go on."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    done = 0
    with Progress(*columns, console=err(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=total)

        def told(follow: Follow) -> Follow:
            def over(cell: Cell, row: Row) -> Iterable[Cell]:
                nonlocal done
                done += 1
                progress.update(task, completed=done)
                return follow(cell, row)

            return over

        try:
            yield told
        except KeyboardInterrupt:
            progress.stop()
            err().print(f"Stopped after {done} runs, which are in {store.path}: the same command goes on from there.")
            raise


def show_tables(tables: Iterable[Table]) -> None:
    """Print tables, less the columns that they can do without."""
    for table in tables:
        kept = [place for place in range(len(table.columns)) if place not in table.aside]
        words = tuple(to for to, place in enumerate(kept) if to and place in table.words)
        shown = text_table(*(table.columns[place] for place in kept), words=words)
        for to, column in enumerate(shown.columns):
            # Where there is no room for whole numbers, they are better broken than cut off.
            column.no_wrap = to == 0 or (to not in words and out().width >= _WIDE_COLUMNS)
        for row in table.rows:
            shown.add_row(*(escape(row[place]) for place in kept))
        show(table.title, shown)


def say_files(paths: Sequence[Path]) -> None:
    """Say what was written."""
    figures = sum(path.suffix == ".png" for path in paths)
    named = [path.name for path in paths if path.suffix != ".png"] + ([f"figures ({figures})"] if figures else [])
    out().print(f"Written to {paths[0].parent}: {', '.join(named)}", soft_wrap=True)
