"""`perllm compare`: contenders in the same worlds from the same seeds, with what may be concluded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.padding import Padding

from perllm.cli.campaign import (
    DEFAULT,
    Against,
    Figures,
    Json,
    Out,
    Policies,
    Requests,
    Seeds,
    Tolerance,
    Workers,
    drawing,
    opened,
    run_grid,
    say_files,
    show_tables,
)
from perllm.cli.output import check_target, out, write_json
from perllm.cli.overrides import Sets
from perllm.errors import ConfigError
from perllm.experiments.contest.cell import Cell, World, grid, rates_of, seeds_of
from perllm.experiments.contest.contenders import KNOWN, contender_named, contenders_of
from perllm.experiments.contest.outcome import Draw, outcome_of, write_outcome
from perllm.experiments.contest.scene import scene_of
from perllm.experiments.contest.store import Store
from perllm.experiments.contest.tables import NOTE, cost_table

EVERY: Final = ",".join(KNOWN)


def compare(
    scenarios: Annotated[list[Path], typer.Argument(metavar="SCENARIO...", help="One scenario.yaml or several.")],
    target: Out,
    policies: Policies = EVERY,
    seeds: Seeds = "10",
    rates: Annotated[str | None, typer.Option(metavar="R1,R2,…", help="Requests/s, instead of the scenario's.")] = None,
    requests: Requests = None,
    sets: Sets = None,
    against: Against = DEFAULT,
    tolerance: Tolerance = 0.0,
    workers: Workers = None,
    figures: Figures = True,
    json: Json = None,
) -> None:
    """Run contenders in the same worlds from the same seeds, and say who needs fewer joules where targets are met.

    Every finished run is kept in DIR/runs.jsonl: a command that was interrupted goes on where it stopped.

    [bold]Examples[/bold]

    perllm compare scenarios/small.yaml --policies cs-ucb,cloud-only,cloud-only+hold --seeds 10 --out small

    perllm compare scenarios/paper-*-stable.yaml --rates 2,3,4 --seeds 1001-1010 --out paper

    perllm compare scenarios/small.yaml --set servers.cloud.slots=2 --policies cs-ucb,round-robin --out two-slots
    """
    check_target(json)
    against, draw = contender_named(against), drawing(figures)
    contenders = contenders_of(policies, against)
    worlds = worlds_of(scenarios, rates_of(rates), requests, tuple(sets or ()))
    store = opened(target, worlds)
    finish(list(grid(worlds, contenders, seeds_of(seeds), curve=True)), store, workers, against, tolerance, draw, json)


def worlds_of(
    scenarios: list[Path], rates: tuple[float | None, ...], requests: int | None, sets: tuple[str, ...]
) -> list[World]:
    """Return every scenario under every load. Raises ConfigError where readers could not tell two apart."""
    names: dict[str, Path] = {}
    for path in scenarios:
        name = scene_of(World(file=str(path), sets=sets)).scenario.name
        if names.setdefault(name, path) != path:
            raise ConfigError(f"it has the name of {names[name]}, {name}", file=str(path), remedy="Rename one of them.")
    return [
        World(file=str(path), sets=sets, variant=" ".join(sets), rate_per_s=rate, requests=requests)
        for path in names.values()
        for rate in rates
    ]


def finish(
    cells: list[Cell],
    store: Store,
    workers: int | None,
    against: str,
    tolerance: float,
    draw: Draw | None,
    json: str | None,
) -> None:
    """Run a grid, print what came of it and write it down."""
    rows = run_grid(cells, store, workers)
    outcome = outcome_of(rows, against, tolerance)
    paths = write_outcome(outcome, rows, store.path.parent, draw)
    if json != "-":
        show_tables([*outcome.tables, cost_table(rows)])
        out().print(Padding(outcome.conclusion, (0, 0, 1, 0)))
        out().print(Padding(NOTE, (0, 0, 1, 0)), style="dim")
        say_files(paths)
    if json is not None:
        write_json(outcome, json)
