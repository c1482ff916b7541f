"""What is kept of one run: enough for every table and figure, as one line of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from perllm.accounting.samples import ratio


class Point(Struct, frozen=True, array_like=True):
    """What had happened in the interval that ended at `to_s`: requests over (counted) and in time, joules."""

    to_s: float
    in_time: int
    counted: int
    joules: float


class ServiceRow(Struct, frozen=True, kw_only=True):
    """How one service fared."""

    submitted: int
    attainment: float | None
    target: float | None
    p95_s: float | None


class Timing(Struct, frozen=True, kw_only=True):
    """Wall-clock figures: the only ones here that another run would not give again."""

    decision_p50_us: float
    decision_p99_us: float
    wall_s: float


class Row(Struct, frozen=True, kw_only=True):
    """One run. `key` says what it depends on: world, code, contender and seed."""

    key: str
    scenario: str
    variant: str
    rate_per_s: float | None
    policy: str
    seed: int
    idle: str
    submitted: int
    completed: int
    in_time: int
    refused: int
    failed: int
    timed_out: int
    cancelled: int
    attainment: float | None
    services: dict[str, ServiceRow]
    transmit_j: float
    infer_j: float
    idle_j: float
    output_tokens: int
    in_time_tokens: int
    tokens_by_model: dict[str, int]
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_p99_s: float | None
    makespan_s: float
    time_error: float | None
    energy_error: float | None
    timing: Timing
    curve: tuple[Point, ...] = ()

    @property
    def total_j(self) -> float:
        return self.transmit_j + self.infer_j + self.idle_j

    @property
    def j_per_in_time_token(self) -> float | None:
        return ratio(self.total_j, self.in_time_tokens)

    @property
    def j_per_request(self) -> float | None:
        return ratio(self.total_j, self.completed)

    @property
    def throughput_tokens_per_s(self) -> float | None:
        return ratio(self.output_tokens, self.makespan_s)

    @property
    def goodput_tokens_per_s(self) -> float | None:
        return ratio(self.in_time_tokens, self.makespan_s)


def figures_of(result: Mapping[str, Any], models: Mapping[str, str]) -> dict[str, Any]:
    """Return what a row keeps of a result object; `models` says which model each server runs."""
    requests, energy, latency = result["requests"], result["energy_j"], result["latency_s"]
    errors, makespan_s = result["prediction_error"], result["makespan_s"] or 0.0
    return {
        **requests,
        "attainment": result["attainment"],
        "services": {name: _service(service) for name, service in result["services"].items()},
        **{f"{account}_j": energy[account] for account in ("transmit", "infer", "idle")},
        "output_tokens": sum(service["output_tokens"] for service in result["services"].values()),
        "in_time_tokens": round((result["goodput_tokens_per_s"] or 0.0) * makespan_s),
        "tokens_by_model": _by_model(result["servers"], models),
        **{f"latency_{share}_s": latency[share] for share in ("p50", "p95", "p99")},
        "makespan_s": makespan_s,
        "time_error": errors["median_absolute_fraction"],
        "energy_error": errors["energy_median_absolute_fraction"],
        "timing": _timing(result["timing"]),
    }


def _service(service: Mapping[str, Any]) -> ServiceRow:
    return ServiceRow(
        submitted=service["submitted"],
        attainment=service["attainment"],
        target=service["target"],
        p95_s=service["latency_s"]["p95"],
    )


def _by_model(servers: Mapping[str, Mapping[str, Any]], models: Mapping[str, str]) -> dict[str, int]:
    tokens = dict.fromkeys(models.values(), 0)
    for server_id, server in servers.items():
        tokens[models[server_id]] += server["output_tokens"]
    return tokens


def _timing(timing: Mapping[str, Any]) -> Timing:
    decision_us = timing["decision_us"]
    return Timing(decision_p50_us=decision_us["p50"], decision_p99_us=decision_us["p99"], wall_s=timing["wall_s"])
