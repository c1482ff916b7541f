"""A result object as tables: services, servers, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from perllm.cli.output import number, out, show, table

Result = Mapping[str, Any]


def show_result(result: Result) -> None:
    """Print a result object for people."""
    method, idle = result["energy_j"]["method"] or "unknown", result["settings"]["idle"]
    show(f"{result['scenario']}, policy {result['policy']}, seed {result['seed']}", _services(result))
    show(f"Servers (joules {method}; idle counted for servers: {idle})", _servers(result))
    for line in (_outcome(result), _cost(result), _trust(result), _effort(result)):
        out().print(line)


def _outcome(result: Result) -> str:
    submitted, goodput = result["requests"]["submitted"], number(result["goodput_tokens_per_s"])
    return f"{_percent(result['attainment'])} of {submitted:,} requests were in time: {goodput} tokens/s in time."


def _cost(result: Result) -> str:
    energy = result["energy_j"]
    return (
        f"They cost {number(energy['total'])} J, {number(energy['idle'])} J of it idle:"
        f" {number(energy['per_request'])} J per request, {number(energy['per_in_time_token'])} J per token in time."
    )


def _trust(result: Result) -> str:
    error = result["prediction_error"]
    times, joules = error["median_absolute_fraction"], error["energy_median_absolute_fraction"]
    if times is None:
        return "Nothing was predicted: the policy looks at no prediction."
    return f"Predicted times were off by {_percent(times)} (median), predicted joules by {_percent(joules)}."


def _effort(result: Result) -> str:
    simulated = f"{number(result['makespan_s'])} s of simulated time"
    timing = result.get("timing")
    if not timing:
        return f"The run spans {simulated}."
    p50_us = timing["decision_us"]["p50"]
    return f"Submitting or closing took {p50_us:.0f} µs (median), the run {timing['wall_s']:.1f} s for {simulated}."


def _services(result: Result) -> Table:
    shown = table("service", "requests", "needed", "took p50", "p95", "in time", "target", "refused", "failed")
    for name, service in result["services"].items():
        took = service["latency_s"]
        shown.add_row(
            name,
            str(service["submitted"]),
            _needed(service["requirement"]),
            _seconds(took["p50"]),
            _seconds(took["p95"]),
            _percent(service["attainment"]),
            _percent(service["target"]),
            str(service["refused"]),
            str(service["failed"] + service["timed_out"]),
        )
    return shown


def _servers(result: Result) -> Table:
    shown = table("server", "tier", "attempts", "completed", "tokens", "working J", "network J", "idle J", words=(1,))
    for name, server in result["servers"].items():
        counts = (server["attempts"], server["completed"], server["output_tokens"])
        joules = (server["infer_j"], server["transmit_j"], server["idle_j"])
        shown.add_row(name, server["tier"], *map(str, counts), *map(number, joules))
    return shown


def _needed(requirement: Mapping[str, float | None] | None) -> str:
    limit_s = None if requirement is None else requirement["total_s"]
    return "any time" if limit_s is None else f"{limit_s:g} s"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:.1%}"
