"""`perllm journal`: look into a journal, write out what it holds, and take its decisions again."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from perllm.cli.output import out, show, table
from perllm.cli.run_outputs import RequestsOut, SeriesOut, Subject, TimelineOut, Wanted, outputs
from perllm.domain.entry import Entry
from perllm.errors import ConfigError
from perllm.journal.replay import Verification, decisions_of, verify
from perllm.journal.store import read

Journal = Annotated[Path, typer.Argument(help="A journal that serve or simulate has written.")]
Run = Annotated[int | None, typer.Option(min=1, help="Which run in it; the latest if not given.")]


journal = typer.Typer(
    help="Look into a journal, and take its decisions again.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@journal.command("verify")
def verify_journal(file: Journal, run: Run = None) -> None:
    """Take a journal's decisions again; exit status 1 if any comes out otherwise.

    Example: [bold]perllm journal verify perllm-journal.sqlite[/bold]
    """
    verified = verify(_existing(file), run)
    _tell(verified)
    if verified.mismatches or verified.gap_at is not None:
        raise typer.Exit(1)


@journal.command("show")
def show_journal(
    file: Journal,
    run: Run = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many entries.")] = 50,
) -> None:
    """Show a journal's events and the decisions they led to.

    Example: [bold]perllm journal show perllm-journal.sqlite --limit 20[/bold]
    """
    header, entries = read(_existing(file), run)
    title = f"Started {header['started_at']}, policy {header['policy']}, seed {header['seed']}"
    _show_entries(title, islice(entries, limit))


@journal.command("export")
def export_journal(
    file: Journal,
    run: Run = None,
    requests_out: RequestsOut = None,
    series_out: SeriesOut = None,
    series_every: Annotated[float, typer.Option(min=1e-3, metavar="SECONDS", help="Length of these intervals.")] = 10.0,
    timeline: TimelineOut = None,
) -> None:
    """Write what a journal holds as rows of requests, a time series or a timeline.

    Idle joules of the series follow from the watts in the config.

    Example: [bold]perllm journal export perllm-journal.sqlite --requests-out requests.csv[/bold]
    """
    wanted = Wanted(requests=requests_out, series=series_out, timeline=timeline)
    if wanted == Wanted():
        raise ConfigError("nothing was asked for", remedy="Give --requests-out, --series-out or --timeline.")
    header, entries = read(_existing(file), run)
    about = {name: header[name] for name in ("started_at", "policy", "seed")}
    with outputs(wanted, Subject(about=about, every_s=series_every)) as sinks:
        for entry in entries:
            for sink in sinks:
                sink(entry)


def _tell(verified: Verification) -> None:
    console = out()
    console.print(f"{verified.entries} entries with {verified.decisions} decisions were taken again.")
    if verified.gap_at is not None:
        console.print(f"[yellow]Entry {verified.gap_at} is missing[/yellow]: what follows it cannot be verified.")
    found = verified.first_mismatch
    if found is None:
        console.print("[green]All came out the same.[/green]")
        return
    console.print(f"[red]{verified.mismatches} entries came out otherwise[/red], the first is entry {found.sequence}:")
    for label, decisions in (("recorded", found.recorded), ("now", found.replayed)):
        console.print(f"  {label}: {'; '.join(map(' '.join, decisions)) or 'nothing'}", markup=False)
    if found.error is not None:
        console.print(f"  now rejected: {found.error}", markup=False)


def _show_entries(title: str, entries: Iterable[Entry]) -> None:
    shown = table("at s", "event", "of", "led to", words=(1, 2, 3))
    for entry in entries:
        decisions = "; ".join(map(" ".join, decisions_of(entry.actions)))
        shown.add_row(f"{entry.at_s:.3f}", entry.kind.value, entry.subject, decisions)
    show(title, shown)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError("there is no such file", file=str(path), remedy="Check its name.")
    return path
