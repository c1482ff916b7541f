"""`perllm demo`: real engines and clients on this machine, with tables of what it took."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from perllm.cli.output import check_target, err, out, show, table, write_json
from perllm.demo.fleet import WATTS, DeclaredWatts
from perllm.demo.run import DemoResult, run_demo
from perllm.demo.traffic import LOADS

FAILED = 1


def demo(
    seconds: Annotated[float, typer.Option(min=1.0, max=600.0, help="How long traffic arrives, in each run.")] = 20.0,
    rate: Annotated[float, typer.Option(min=0.1, max=50.0, help="Calls per second.")] = 3.0,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="What arrivals and lengths are drawn from.")] = 1,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the results there; - for standard output.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave engines and gateway running until Ctrl-C.")] = False,
) -> None:
    """Serve mixed traffic on a small real fleet, twice: by PerLLM, then everything to the cloud.

    Starts two slow llama.cpp engines (the edge), a fast one behind a delayed link (the cloud) and the gateway.
    Sends the calls of four services with the official OpenAI client. Energy follows from declared watts.

    [bold]Examples[/bold]

    perllm demo

    perllm demo --seconds 60 --rate 4 --json demo.json

    perllm demo --keep
    """
    check_target(json_file)
    with _Screen(err()) as screen:
        result = asyncio.run(run_demo(seconds=seconds, calls_per_s=rate, seed=seed, keep=keep, watcher=screen))
    if json_file != "-":
        _print(result)
    if json_file is not None:
        write_json(result.as_json(), json_file)
    for complaint in result.complaints:
        err().print(f"[red]failed:[/red] {complaint}")
    if result.complaints:
        raise typer.Exit(FAILED)


class _Screen:
    """Shows how far the demo is, on standard error."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:12s}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("[red]{task.fields[errors]}"), console=console,
        )  # fmt: skip
        self._errors = 0

    def __enter__(self) -> _Screen:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stage(self, what: str) -> None:
        self._console.print(f"… {what}")

    def serving(self, policy: str, address: str, calls: int) -> None:
        self._console.print(f"… {policy}: the gateway answers at {address}/v1")
        self._errors = 0
        self._task = self._progress.add_task(policy, total=calls, errors="")

    def answered(self, good: bool) -> None:
        self._errors += not good
        self._progress.update(self._task, advance=1, errors=f"{self._errors} errors" if self._errors else "")


def _print(result: DemoResult) -> None:
    show("What each service needed and got", _services(result.ours))
    show("What each server did", _servers(result.ours))
    out().print("* idle / reading prompts / writing one answer - a full batch\n", style="dim")
    show("The same arrivals once more, everything to the cloud*", _side_by_side(result.ours, result.cloud_only))
    out().print("* but for the service that may not leave the edge", style="dim")
    method = result.ours["energy_j"]["method"]
    out().print(
        f"Joules are {method}: declared watts times the seconds worked. Nothing here was measured with a meter."
    )


def _services(run: Mapping[str, Any]) -> Table:
    made = table("service", "what it is", "needed", "took p50", "took p95", "in time", "requests", words=(1,))
    for load in LOADS:
        service = run["services"].get(load.service.name)
        if service is None:
            continue
        took = service["latency_s"]
        made.add_row(
            load.service.name,
            load.about,
            _seconds(load.service.requirement.total_s),
            _seconds(took["p50"]),
            _seconds(took["p95"]),
            _percent(service["attainment"]),
            str(service["submitted"]),
        )
    return made


def _servers(run: Mapping[str, Any]) -> Table:
    columns = ("server", "tier", "requests", "tokens", "inference J", "transmission J", "idle J", "declared W*")
    made = table(*columns, words=(1, 7))
    for name, server in run["servers"].items():
        made.add_row(
            name,
            server["tier"],
            str(server["completed"]),
            str(server["output_tokens"]),
            f"{server['infer_j']:.0f}",
            f"{server['transmit_j']:.2f}",
            f"{server['idle_j']:.0f}",
            _watts(WATTS[server["tier"]]),
        )
    return made


def _watts(watts: DeclaredWatts) -> str:
    answers = dict.fromkeys((f"{watts.decode_w:g}", f"{watts.decode_full_w:g}"))
    return f"{watts.idle_w:g} / {watts.prefill_w:g} / {'-'.join(answers)}"


def _side_by_side(ours: Mapping[str, Any], rival: Mapping[str, Any]) -> Table:
    made = table("", "PerLLM", "cloud only")
    for label, row in _comparison(ours, rival):
        made.add_row(label, *row)
    return made


def _comparison(*runs: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    joules = [run["energy_j"] for run in runs]
    working = [energy["infer"] + energy["transmit"] for energy in joules]
    tokens = [(run["goodput_tokens_per_s"] or 0.0) * (run["makespan_s"] or 0.0) for run in runs]
    return [
        ("in time", [_percent(run["attainment"]) for run in runs]),
        ("took p50", [_seconds(run["latency_s"]["p50"]) for run in runs]),
        ("took p95", [_seconds(run["latency_s"]["p95"]) for run in runs]),
        ("inference and transmission J", [f"{value:.0f}" for value in working]),
        ("… per in-time token", [f"{value / max(count, 1):.3f}" for value, count in zip(working, tokens, strict=True)]),
        ("idle J, all machines on", [f"{energy['idle']:.0f}" for energy in joules]),
        ("all J", [f"{energy['total']:.0f}" for energy in joules]),
    ]


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
