"""`perllm ablate`: a policy without each of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perllm.cli.campaign import (
    DEFAULT,
    Figures,
    Json,
    Out,
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
from perllm.cli.compare import worlds_of
from perllm.cli.output import check_target, write_json
from perllm.cli.overrides import Sets
from perllm.experiments.contest.ablation import ablated, ablation_tables
from perllm.experiments.contest.cell import grid, rates_of, seeds_of
from perllm.experiments.contest.contenders import contender_named
from perllm.experiments.contest.outcome import outcome_of, write_outcome


def ablate(
    scenarios: Annotated[list[Path], typer.Argument(metavar="SCENARIO...", help="One scenario.yaml or several.")],
    target: Out,
    policy: Annotated[str, typer.Option(metavar="CONTENDER", help="The whole.")] = DEFAULT,
    one: Annotated[bool, typer.Option("--one/--no-one", help="Switch each part off alone.")] = True,
    cumulative: Annotated[
        bool, typer.Option("--cumulative/--no-cumulative", help="Switch parts off one after another, too.")
    ] = True,
    seeds: Seeds = "10",
    rates: Annotated[str | None, typer.Option(metavar="R1,R2,…", help="Requests/s, instead of the scenario's.")] = None,
    requests: Requests = None,
    sets: Sets = None,
    tolerance: Tolerance = 0.0,
    workers: Workers = None,
    figures: Figures = True,
    json: Json = None,
) -> None:
    """Switch off a policy's parts, and say of each whether it pays.

    Its parts are its options that are true or false (see [bold]perllm policies[/bold]). Finished runs are kept in
    DIR/runs.jsonl: a command that was interrupted goes on where it stopped.

    [bold]Examples[/bold]

    perllm ablate scenarios/paper-llama2-7b-stable.yaml --rates 3,4 --out ablation

    perllm ablate scenarios/small.yaml --no-cumulative --seeds 1001-1010 --out small-ablation
    """
    check_target(json)
    whole, draw = contender_named(policy), drawing(figures)
    contenders = ablated(whole, one_at_a_time=one, cumulative=cumulative)
    worlds = worlds_of(scenarios, rates_of(rates), requests, tuple(sets or ()))
    store = opened(target, worlds)
    rows = run_grid(list(grid(worlds, contenders, seeds_of(seeds), curve=True)), store, workers)
    outcome = outcome_of(rows, whole, tolerance)
    tables = ablation_tables(outcome.summaries, outcome.versus, whole)
    paths = write_outcome(outcome, rows, target, draw, tables)
    if json != "-":
        show_tables(tables)
        say_files(paths)
    if json is not None:
        write_json(outcome, json)
