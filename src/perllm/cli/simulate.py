"""`perllm simulate`: one run of a scenario."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Protocol

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from perllm.cli.output import check_target, err, write_json
from perllm.cli.overrides import Sets
from perllm.cli.report import show_result
from perllm.cli.run_outputs import RequestsOut, SeriesOut, Subject, TimelineOut, Wanted, outputs, round_step
from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.domain.entry import Fleet
from perllm.errors import ConfigError
from perllm.journal.header import make_header
from perllm.journal.writer import BlockingWriter
from perllm.simulation.scenario import Scenario, TraceSource, Workload
from perllm.simulation.simulator import run

# Drawing the bar costs far more than simulating a request.
_REQUESTS_PER_DRAWING: Final = 200
# As many intervals as a plot shows well; fewer where there would be too few requests in each to take a share of.
_INTERVALS: Final = 100
_TRACE_INTERVAL_S: Final = 10.0
_REQUESTS_PER_INTERVAL: Final = 25


def simulate(
    scenario: Annotated[Path, typer.Argument(help="A scenario.yaml.")],
    policy: Annotated[str | None, typer.Option(help="Instead of the scenario's; see perllm policies.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    requests: Annotated[int | None, typer.Option(min=1, max=10_000_000, help="Instead of the scenario's.")] = None,
    rate: Annotated[float | None, typer.Option(min=1e-3, max=1e6, help="Requests per second, instead.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Play this trace instead; see docs/workloads.md.")] = None,
    speed_up: Annotated[float | None, typer.Option(min=1e-6, max=1e6, help="Play it so many times as fast.")] = None,
    sets: Sets = None,
    json: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the result as JSON.")] = None,
    timing: Annotated[bool, typer.Option("--timing/--no-timing", help="Say how long decisions took.")] = True,
    journal: Annotated[Path | None, typer.Option(help="Record every event in this file.")] = None,
    requests_out: RequestsOut = None,
    series_out: SeriesOut = None,
    series_every: Annotated[
        float | None,
        typer.Option(min=1e-3, metavar="SECONDS", help="Length of these intervals; chosen by the load if not given."),
    ] = None,
    timeline: TimelineOut = None,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw the run, as PNG: requirements met, joules, load, prediction error."),
    ] = None,
) -> None:
    """Run a scenario once, in simulated time, and print what came of it.

    [bold]Examples[/bold]

    perllm simulate scenarios/small.yaml --policy energy-greedy --seed 7

    perllm simulate scenarios/small.yaml --requests-out requests.csv.gz --series-out series.jsonl --series-every 5

    perllm simulate scenarios/small.yaml --set servers.cloud.slots=2 --set 'servers.edge-*.link.rtt_ms=9'

    perllm simulate scenarios/small.yaml --timeline timeline.json --plots plots
    """
    check_target(json)
    wanted = Wanted(requests=requests_out, series=series_out, timeline=timeline, plots=plots)
    chosen = scenario_value(load_scenario(scenario, sets or ()))
    workload = _traced(chosen.workload, trace, speed_up)
    chosen = replace(chosen, policy=policy or chosen.policy, workload=_overridden(workload, requests, rate))
    with ExitStack() as open_until_done:
        accounts = open_until_done.enter_context(outputs(wanted, _subject(chosen, seed, series_every)))
        over = open_until_done.enter_context(_bar(chosen.workload.requests))
        sinks = [open_until_done.enter_context(closing(_writer(journal, chosen, seed)))] if journal else []
        clock = time.perf_counter if timing else None
        result = run(chosen, seed, sinks=sinks, accounts=accounts, progress=over, clock=clock).result
    if not timing:
        del result["timing"]
    if json != "-":
        show_result(result)
    if json is not None:
        write_json(result, json)


def _subject(scenario: Scenario, seed: int, every_s: float | None) -> Subject:
    return Subject(
        about={"scenario": scenario.name, "policy": scenario.policy, "seed": seed},
        fleet=Fleet(servers=scenario.servers, services=scenario.services),
        idle=scenario.world.idle,
        every_s=every_s or _interval_s(scenario.workload),
    )


def _interval_s(workload: Workload) -> float:
    """Choose intervals with enough requests in each to say something of them; of a trace nothing is known yet."""
    if workload.requests is None or workload.rate_per_s is None:
        return _TRACE_INTERVAL_S
    return round_step(max(_REQUESTS_PER_INTERVAL, workload.requests / _INTERVALS) / workload.rate_per_s)


def _traced(workload: Workload, path: Path | None, speed_up: float | None) -> Workload:
    """Take instants and lengths from a trace, all of it; what is left of the workload are its services."""
    if path is not None:
        workload = replace(workload, trace=TraceSource(path=path), requests=None, rate_per_s=None)
    if speed_up is None:
        return workload
    if workload.trace is None:
        raise ConfigError("there is no trace to speed up", key="--speed-up", remedy="Use --rate, or give --trace.")
    return replace(workload, trace=replace(workload.trace, speed_up=speed_up))


def _overridden(workload: Workload, requests: int | None, rate_per_s: float | None) -> Workload:
    if workload.trace is not None and rate_per_s is not None:
        raise ConfigError("a trace has a rate of its own", key="--rate", remedy="Use --speed-up.")
    return replace(workload, requests=requests or workload.requests, rate_per_s=rate_per_s or workload.rate_per_s)


class Over(Protocol):
    """Is told how many requests are over."""

    def __call__(self, requests: int, /) -> None: ...


@contextmanager
def _bar(requests: int | None) -> Iterator[Over]:
    """Show progress on standard error where somebody watches it."""
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=requests)

        def over(requests_over: int) -> None:
            if requests_over % _REQUESTS_PER_DRAWING == 0:
                progress.update(task, completed=requests_over)

        yield over


def _writer(path: Path, scenario: Scenario, seed: int) -> BlockingWriter:
    started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    header = make_header(policy=scenario.policy, seed=seed, settings=scenario.scheduler, started_at=started_at)
    return BlockingWriter(path, header)
