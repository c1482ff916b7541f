"""Rows made by hand."""

from typing import Any

from perllm.experiments.contest.row import Point, Row, ServiceRow, Timing

TIMING = Timing(decision_p50_us=20.0, decision_p99_us=60.0, wall_s=0.1)


def row(policy: str = "cs-ucb", seed: int = 1, *, attainment: float = 1.0, joules: float = 100.0, **parts: Any) -> Row:
    """Return a run of 100 requests, all completed, with 10 output tokens in time for each that was in time."""
    in_time = round(100 * attainment)
    told: dict[str, Any] = {
        "key": f"{policy} {seed}", "scenario": "small", "variant": "", "rate_per_s": 2.0, "policy": policy,
        "seed": seed, "idle": "all", "submitted": 100, "completed": 100, "in_time": in_time, "refused": 0,
        "failed": 0, "timed_out": 0, "cancelled": 0, "attainment": attainment,
        "services": {"chat": ServiceRow(submitted=100, attainment=attainment, target=0.95, p95_s=2.0)},
        "transmit_j": 0.0, "infer_j": joules, "idle_j": 0.0, "output_tokens": 1000, "in_time_tokens": 10 * in_time,
        "tokens_by_model": {"small-model": 400, "large-model": 600}, "latency_p50_s": 1.0, "latency_p95_s": 2.0,
        "latency_p99_s": 3.0, "makespan_s": 50.0, "time_error": 0.2, "energy_error": None, "timing": TIMING,
    }  # fmt: skip
    return Row(**{**told, **parts})


def curve(*points: tuple[float, int, int, float]) -> tuple[Point, ...]:
    return tuple(Point(*point) for point in points)
