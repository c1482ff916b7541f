"""One run as a row."""

import json
from dataclasses import replace

import msgspec
import pytest

from perllm.accounting.interval import IntervalRow
from perllm.accounting.series import Series
from perllm.experiments.contest.cell import Cell
from perllm.experiments.contest.play import curve_of, play
from perllm.experiments.contest.row import Row, Timing
from perllm.experiments.contest.scene import scene_of
from perllm.simulation.simulator import run
from tests.unit.experiments.contest.worlds import WORLD

CELL = Cell(world=WORLD, policy="cs-ucb", seed=1, curve=True)
TIMING = Timing(decision_p50_us=0.0, decision_p99_us=0.0, wall_s=0.0)


def test_the_row_is_what_the_simulator_says() -> None:
    told = play(CELL)

    result = run(replace(scene_of(WORLD).scenario, policy="cs-ucb"), 1).result
    energy = result["energy_j"]
    assert (40, result["attainment"], energy["total"]) == (told.submitted, told.attainment, told.total_j)
    assert energy["per_in_time_token"] == told.j_per_in_time_token
    assert energy["per_request"] == told.j_per_request
    assert result["throughput_tokens_per_s"] == pytest.approx(told.throughput_tokens_per_s)
    assert result["goodput_tokens_per_s"] == pytest.approx(told.goodput_tokens_per_s)
    assert sum(server["output_tokens"] for server in result["servers"].values()) == sum(told.tokens_by_model.values())


def test_the_curve_adds_up_to_the_run() -> None:
    told = play(CELL)

    assert (told.in_time, told.submitted) == (
        sum(point.in_time for point in told.curve),
        sum(point.counted for point in told.curve),
    )
    assert told.total_j == pytest.approx(sum(point.joules for point in told.curve), rel=0.05)


def test_the_same_cell_gives_the_same_row_but_for_the_clock() -> None:
    first, again = (msgspec.structs.replace(play(CELL), timing=TIMING) for _ in range(2))

    assert first == again
    assert first == msgspec.json.decode(json.dumps(msgspec.to_builtins(first)), type=Row)


def test_a_contender_queues_as_it_says() -> None:
    held, pushed = (play(msgspec.structs.replace(CELL, policy=f"cloud-only+{way}")) for way in ("hold", "push"))

    assert ("cloud-only+hold", "cloud-only+push") == (held.policy, pushed.policy)


def test_too_many_points_are_added_up_in_pairs() -> None:
    rows: list[IntervalRow] = []
    series = Series(0.25, rows.append)
    run(scene_of(WORLD).scenario, 1, accounts=[series])
    series.close()

    all_points, few = curve_of(rows, most=len(rows)), curve_of(rows, most=8)

    assert len(rows) == len(all_points) > 8 >= len(few) > 4
    assert 40 == sum(point.counted for point in few)
    assert (all_points[-1].to_s, sum(point.joules for point in all_points)) == pytest.approx(
        (few[-1].to_s, sum(point.joules for point in few))
    )
