"""`perllm capacity`: the largest arrival rate at which contenders keep a share of requests in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.padding import Padding

from perllm.cli.campaign import (
    DEFAULT,
    NEEDS_FIGURES,
    Against,
    Figures,
    Json,
    Out,
    Policies,
    Requests,
    Seeds,
    Workers,
    cores,
    counting,
    opened,
    say_files,
    show_tables,
)
from perllm.cli.deferred import needing
from perllm.cli.output import check_target, out, write_json
from perllm.cli.overrides import Sets
from perllm.errors import ConfigError
from perllm.experiments.contest.campaign import drive
from perllm.experiments.contest.capacity import NOTE, Capacity, Question, capacities, capacity_table
from perllm.experiments.contest.cell import Cell, World, seeds_of
from perllm.experiments.contest.contenders import contender_named, contenders_of
from perllm.experiments.contest.flat import write_csv
from perllm.experiments.contest.outcome import as_json
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.scene import scene_of
from perllm.experiments.contest.store import Store
from perllm.experiments.contest.tables import markdown

# About so many rates are tried in each search.
_RUNS_PER_SEARCH: Final = 13

Draw = Callable[[Sequence[Capacity], str, Path], None]


def capacity(
    scenario: Annotated[Path, typer.Argument(help="A scenario.yaml.")],
    target: Out,
    policies: Policies = DEFAULT,
    attainment: Annotated[float, typer.Option(min=0.01, max=0.9999, help="The share to be kept in time.")] = 0.97,
    every_service: Annotated[
        bool, typer.Option("--every-service", help="Of every service, instead of all requests together.")
    ] = False,
    seeds: Seeds = "10",
    start: Annotated[float | None, typer.Option(min=1e-3, help="Requests/s to begin at.")] = None,
    requests: Requests = None,
    sets: Sets = None,
    against: Against = DEFAULT,
    workers: Workers = None,
    figures: Figures = True,
    json: Json = None,
) -> None:
    """Find the largest arrival rate at which contenders keep a share of requests in time.

    A search by halving, to 2 %, for each seed and for all together. Finished runs are kept in DIR/runs.jsonl: a command
    that was interrupted goes on where it stopped.

    [bold]Examples[/bold]

    perllm capacity scenarios/paper-llama2-7b-stable.yaml --policies cs-ucb,cloud-only,cloud-only+hold --out capacity

    perllm capacity scenarios/small.yaml --attainment 0.99 --seeds 1001-1010 --every-service --out small-99
    """
    check_target(json)
    contenders, draw = contenders_of(policies), _drawing(figures)
    # There is nobody else whose capacity is known.
    against = named if (named := contender_named(against)) in contenders else contenders[0]
    question = _question(scenario, tuple(sets or ()), requests, attainment, every_service, start)
    store = opened(target, [question.world])
    chosen = seeds_of(seeds)
    with counting("runs (about)", _RUNS_PER_SEARCH * len(contenders) * len(chosen), store) as told:

        def driven(cells: Iterable[Cell], follow: Callable[[Cell, Row], Iterable[Cell]]) -> None:
            drive(cells, told(follow), store, workers or cores())

        found = capacities(question, contenders, chosen, against, driven)
    _finish(found, question, against, store, draw, json)


def _drawing(wanted: bool) -> Draw | None:
    if not wanted:
        return None
    draw: Draw = needing("perllm.experiments.contest.capacity_figure:draw_capacity", NEEDS_FIGURES, "plots")
    return draw


def _question(
    scenario: Path, sets: tuple[str, ...], requests: int | None, attainment: float, every: bool, start: float | None
) -> Question:
    sets = (*sets, f"services.*.attainment={attainment}")
    world = World(file=str(scenario), sets=sets, variant=" ".join(sets), requests=requests)
    rate_per_s = start or scene_of(world).scenario.workload.rate_per_s
    if rate_per_s is None or scene_of(world).scenario.workload.trace is not None:
        raise ConfigError("a trace has a rate of its own", file=str(scenario), remedy="Take a scenario without one.")
    return Question(world=world, attainment=attainment, every_service=every, start_per_s=rate_per_s)


def _finish(
    found: list[Capacity], question: Question, against: str, store: Store, draw: Draw | None, json: str | None
) -> None:
    of = "every service" if question.every_service else "all requests"
    name = scene_of(question.world).scenario.name
    title = f"{name}: requests/s with {question.attainment:.4g} of {of} in time"
    shown = capacity_table(found, title, against)
    answer = {"question": question_told(question, name), "against": against, "note": NOTE, "capacities": found}
    stem = store.path.parent / f"capacity-{question.attainment:g}{'-every-service' if question.every_service else ''}"
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("json", "csv", "md", "png")]
    try:
        paths[0].write_text(as_json(answer), encoding="utf-8")
        write_csv(paths[1], found)
        paths[2].write_text(f"{title}\n\n{markdown(shown)}\n{NOTE}\n", encoding="utf-8")
        if draw is not None:
            draw(found, title, paths[3])
    except OSError as error:
        raise ConfigError(f"a file cannot be written: {error.strerror}", file=str(stem), key="--out") from None
    if json != "-":
        show_tables([shown])
        out().print(Padding(NOTE, (0, 0, 1, 0)), style="dim")
        say_files(paths if draw is not None else paths[:3])
    if json is not None:
        write_json(answer, json)


def question_told(question: Question, name: str) -> dict[str, object]:
    """Return what was asked, without saying where files lie."""
    told = msgspec.to_builtins(question)
    return {**told, "world": {**told["world"], "file": Path(question.world.file).name}, "scenario": name}
