"""`perllm reproduce`: the paper's claims, cell by cell, after a plan that was fixed before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec.structs import replace

from perllm.cli.campaign import DEFAULT, Figures, Json, Out, Workers, drawing, opened, run_grid, say_files, show_tables
from perllm.cli.output import check_target, err, write_json
from perllm.errors import ConfigError, nearest
from perllm.experiments.contest.row import Row
from perllm.experiments.reproduce.claims import claims_table
from perllm.experiments.reproduce.document import Reproduction, answered, reproduction, write_reproduction
from perllm.experiments.reproduce.plan import Plan, read_plan

PLAN: Final = Path("scenarios/reproductions/reproduction-2026-11-25.yaml")


def reproduce(
    target: Out,
    plan: Annotated[Path, typer.Option(metavar="FILE", help="The plan, from where its scenarios are found.")] = PLAN,
    only: Annotated[str | None, typer.Option(metavar="A,B,…", help="These studies of the plan alone.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Two seeds, 500 requests: to see that it works.")] = False,
    workers: Workers = None,
    figures: Figures = True,
    json: Json = None,
) -> None:
    """Run the paper's comparison and hold its claims against it.

    Writes DIR/reproduction.md with a table for every cell, and the numbers as JSON and CSV. Finished runs are kept in
    DIR/runs.jsonl: a command that was interrupted goes on where it stopped.

    [bold]Examples[/bold]

    perllm reproduce --quick --out quick

    perllm reproduce --only cells,batching --out reproduction
    """
    check_target(json)
    chosen, draw = _chosen(read_plan(plan, quick=quick), only), drawing(figures)
    if chosen.missing:
        err().print(f"[yellow]Not in this version, and left out:[/yellow] {', '.join(chosen.missing)}")
    found, rows = _run(chosen, target, workers)
    paths = write_reproduction(chosen, found, rows, target, draw)
    if json != "-":
        show_tables(claims_table(answer.claims, answer.study) for answer in found.studies if answer.claims)
        say_files(paths)
    if json is not None:
        write_json(found, json)


def _chosen(plan: Plan, only: str | None) -> Plan:
    if only is None:
        return plan
    by_name = {study.name: study for study in plan.studies}
    for name in only.split(","):
        if name not in by_name:
            raise ConfigError(f"the plan has no study called {name!r}", key="--only", remedy=nearest(name, by_name))
    return replace(plan, studies=tuple(by_name[name] for name in only.split(",")))


def _run(plan: Plan, folder: Path, workers: int | None) -> tuple[Reproduction, list[list[Row]]]:
    """Run all studies as one grid, so that what two of them ask for is run once."""
    store = opened(folder, [world for study in plan.studies for world in study.worlds])
    grids = [plan.cells(study) for study in plan.studies]
    rows = run_grid([cell for cells in grids for cell in cells], store, workers)
    split, begin = list[list[Row]](), 0
    for cells in grids:
        split.append(rows[begin : begin + len(cells)])
        begin += len(cells)
    answers = [answered(plan, study, of, DEFAULT) for study, of in zip(plan.studies, split, strict=True)]
    return reproduction(plan, answers), split
