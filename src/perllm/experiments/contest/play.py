"""Play one cell: the whole work of a worker process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Final

from perllm.accounting.interval import IntervalRow
from perllm.accounting.series import Series
from perllm.experiments.contest.cell import Cell
from perllm.experiments.contest.row import Point, Row, figures_of
from perllm.experiments.contest.scene import key_of, scene_of
from perllm.simulation.scenario import Scenario
from perllm.simulation.simulator import run

# As many points as a curve shows well.
_POINTS: Final = 40
_MOST_POINTS: Final = 2 * _POINTS
_TRACE_INTERVAL_S: Final = 60.0


def play(cell: Cell) -> Row:
    """Run a cell. The same cell gives the same row, timing aside."""
    scene = scene_of(cell.world)
    scenario = replace(scene.scenario, policy=cell.policy)
    rows: list[IntervalRow] = []
    accounts = [Series(_interval_s(scenario), rows.append, scenario.world.idle)] if cell.curve else []
    result = run(scenario, cell.seed, accounts=accounts, clock=time.perf_counter).result
    for account in accounts:
        account.close()
    return Row(
        key=key_of(cell),
        scenario=scenario.name,
        variant=cell.world.variant,
        rate_per_s=scenario.workload.rate_per_s,
        policy=cell.policy,
        seed=cell.seed,
        idle=scenario.world.idle.value,
        curve=curve_of(rows),
        **figures_of(result, scene.models),
    )


def curve_of(rows: Sequence[IntervalRow], most: int = _MOST_POINTS) -> tuple[Point, ...]:
    """Return intervals as points, neighbours added up until there are few enough of them."""
    points = [Point(row.to_s, row.in_time, row.counted, _joules(row)) for row in rows]
    while len(points) > most:
        points = [_sum(points[place : place + 2]) for place in range(0, len(points), 2)]
    return tuple(points)


def so_far(points: Sequence[Point]) -> list[Point]:
    """Return the same points, each told of everything up to it."""
    return list(accumulate(points, lambda total, point: _sum((total, point))))


def _sum(points: Sequence[Point]) -> Point:
    return Point(
        points[-1].to_s,
        sum(point.in_time for point in points),
        sum(point.counted for point in points),
        sum(point.joules for point in points),
    )


def _joules(row: IntervalRow) -> float:
    return row.energy_j.transmit + row.energy_j.infer + row.energy_j.idle


def _interval_s(scenario: Scenario) -> float:
    workload = scenario.workload
    if workload.requests is None or workload.rate_per_s is None:
        return _TRACE_INTERVAL_S
    return workload.requests / workload.rate_per_s / _POINTS
