"""`perllm bound`: how few joules could have done, and how far policies are from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from perllm.cli.output import check_target, err, number, out, show, table, write_json
from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.errors import ConfigError
from perllm.experiments.bound.run import Question, Tell
from perllm.experiments.bound.run import bound as bounds_of
from perllm.simulation.scenario import Workload

# What the fluid program is solved for in some ten seconds.
_REQUESTS: Final = 300


def bound(
    scenario: Annotated[Path, typer.Argument(help="A scenario.yaml.")],
    attainment: Annotated[float, typer.Option(help="The share of requests that must be in time, above 0.")] = 0.97,
    seed: Annotated[int, typer.Option(min=0, help="Whose world and traffic: the same as in simulate.")] = 0,
    requests: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="How many, from the first on: 300, or fewer if it has fewer.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=1e-3, max=1e6, help="Requests per second, instead.")] = None,
    policies: Annotated[
        str, typer.Option(help="To set beside it, with commas between; the search starts from them.")
    ] = "cs-ucb,energy-greedy,cloud-only",
    moves: Annotated[int, typer.Option(min=0, help="How long to search for a schedule; 0: not at all.")] = 20_000,
    idle: Annotated[bool, typer.Option("--idle/--no-idle", help="Count idle joules, by the scenario's rule.")] = False,
    lp: Annotated[bool, typer.Option("--lp/--no-lp", help="Solve the fluid program, or trust prices alone.")] = True,
    bucket: Annotated[
        float, typer.Option(min=0.05, max=600.0, metavar="SECONDS", help="Shorter is tighter and slower.")
    ] = 1.0,
    json: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the result as JSON.")] = None,
) -> None:
    """Say how few joules any schedule needs that serves so many in time, and how few one can do with.

    Below: a linear program and, without a solver, prices. No schedule of these very requests on these very servers goes
    below either. Above: the best schedule that a search finds which knows everything. The best possible lies between.

    [bold]Examples[/bold]

    perllm bound scenarios/paper-llama2-7b-stable.yaml --attainment 0.97 --rate 2 --seed 1

    perllm bound scenarios/small.yaml --policies cs-ucb,cloud-only --moves 50000 --json bound.json

    perllm bound scenarios/paper-llama2-7b-stable.yaml --requests 10000 --no-lp --moves 0
    """
    check_target(json)
    chosen = scenario_value(load_scenario(scenario))
    chosen = replace(chosen, workload=_limited(chosen.workload, requests, rate))
    question = Question(
        attainment=attainment,
        policies=tuple(name.strip() for name in policies.split(",") if name.strip()),
        moves=moves,
        idle=idle,
        fluid=lp,
        bucket_s=bucket,
    )
    with _bar() as tell:
        result = bounds_of(chosen, seed, question, tell)
    if json != "-":
        _show(result)
    if json is not None:
        write_json(result, json)


def _limited(workload: Workload, requests: int | None, rate_per_s: float | None) -> Workload:
    if workload.trace is not None and rate_per_s is not None:
        raise ConfigError("a trace has a rate of its own", key="--rate", remedy="Leave it out.")
    most = requests or min(_REQUESTS, workload.requests or _REQUESTS)
    return replace(workload, requests=most, rate_per_s=rate_per_s or workload.rate_per_s)


@contextmanager
def _bar() -> Iterator[Tell]:
    """Show on standard error what is under way, where somebody watches it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("")

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        yield tell


def _show(result: Mapping[str, Any]) -> None:
    lower, schedule = result["lower_j"], result["schedule"]
    shown = table("", "in time", "J", "÷ bound", "÷ bound at its own share")
    for name, key in (("bound by the fluid program", "fluid"), ("bound by prices", "prices")):
        if lower[key] is not None:
            over = lower[key] / lower["best"] if lower["best"] else None
            shown.add_row(name, f"{result['attainment']:.1%}", number(lower[key]), number(over), "")
    if schedule is not None:
        cells = (number(schedule["joules"]), number(schedule["over_bound"]))
        shown.add_row("best schedule in hindsight", f"{schedule['attainment']:.1%}", *cells, "")
    for each in result["policies"]:
        share = "–" if each["attainment"] is None else f"{each['attainment']:.1%}"
        ratios = (number(each["over_bound"]), number(each["over_own_bound"]))
        shown.add_row(each["policy"], share, number(each["joules"]), *ratios)
    counted = "transmission and inference" if result["idle"] == "none" else f"idle of servers ({result['idle']}) too"
    asked = f"{result['attainment']:.1%} of {result['requests']:,} requests in time"
    show(f"{result['scenario']}, seed {result['seed']}: {asked}; joules: {counted}", shown)
    out().print(_bracket(result))


def _bracket(result: Mapping[str, Any]) -> str:
    lower_j, schedule = result["lower_j"]["best"], result["schedule"]
    below = f"No schedule does with less than {number(lower_j)} J"
    if schedule is None:
        return f"{below}."
    return f"{below}, one does with {number(schedule['joules'])} J: {number(schedule['over_bound'])} times as many."
