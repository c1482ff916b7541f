"""Capacities of contenders whose share in time is a formula."""

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from perllm.experiments.contest.bisection import rate_at, step_near
from perllm.experiments.contest.capacity import Bracket, Capacity, Question, attained, capacities, capacity_table
from perllm.experiments.contest.capacity_figure import draw_capacity
from perllm.experiments.contest.cell import Cell, World
from perllm.experiments.contest.row import Row, ServiceRow
from tests.unit.experiments.contest.rows import row

QUESTION = Question(world=World(file="x.yaml"), attainment=0.97, every_service=False, start_per_s=3.0)
# Up to such a rate everything is in time; beyond it, each per cent more costs a per cent of the requests.
ENDS = {("one", 1): 4.0, ("one", 2): 5.0, ("other", 1): 2.0, ("other", 2): 2.5}


def played(cell: Cell) -> Row:
    rate_per_s = cell.world.rate_per_s
    assert rate_per_s is not None
    attainment = max(0.0, 1.0 - max(0.0, rate_per_s / ENDS[cell.policy, cell.seed] - 1.0))
    return row(cell.policy, cell.seed, rate_per_s=rate_per_s, attainment=attainment)


def driving(asked: list[Cell]) -> Callable[[Iterable[Cell], Callable[[Cell, Row], Iterable[Cell]]], None]:
    def drive(cells: Iterable[Cell], follow: Callable[[Cell, Row], Iterable[Cell]]) -> None:
        waiting = deque(cells)
        while waiting:
            cell = waiting.popleft()
            asked.append(cell)
            waiting.extend(follow(cell, played(cell)))

    return drive


def found() -> tuple[list[Capacity], list[Cell]]:
    asked: list[Cell] = []
    return capacities(QUESTION, ["one", "other"], [1, 2], "one", driving(asked)), asked


def test_each_seed_has_its_own_capacity_and_all_together_have_one() -> None:
    (one, other), _ = found()

    # 97 % are in time up to 1.03 times the end; of both seeds of `one` together up to a rate of 4.24: 0.94 and 1.
    assert [4.12, 5.15] == pytest.approx([one.by_seed[1] or 0.0, one.by_seed[2] or 0.0], rel=0.02)
    assert 4.24 == pytest.approx(one.together.holds_per_s or 0.0, rel=0.02)
    assert one.together.fails_per_s is not None
    assert one.together.holds_per_s is not None
    assert one.together.holds_per_s < one.together.fails_per_s
    assert (one.together.attainment or 0.0) >= 0.97 > (one.together.attainment_beyond or 1.0)
    assert (one.ratio_together, one.ratio) == (None, None)
    assert 0.5 == pytest.approx(other.ratio_together or 0.0, rel=0.03)
    assert other.ratio is not None
    assert 0.5 == pytest.approx(other.ratio.mean, rel=0.03)


def test_contenders_and_seeds_are_asked_at_the_same_ladder_of_rates() -> None:
    _, asked = found()

    rates = {cell.world.rate_per_s or 0.0 for cell in asked}
    assert rates == {rate_at(step_near(rate)) for rate in rates}


def test_every_service_is_asked_for_where_that_is_the_question() -> None:
    services = {name: ServiceRow(submitted=50, attainment=share, target=0.9, p95_s=1.0)
                for name, share in (("chat", 0.99), ("extract", 0.93))}  # fmt: skip
    rows = [row(attainment=0.96, services=services)]

    assert (0.96, 0.93) == (attained(rows, every_service=False), attained(rows, every_service=True))


def test_the_table_names_the_bracket_and_who_wrote_the_tokens() -> None:
    shown = capacity_table(found()[0], "toy", "one")

    assert ["one", "other"] == [line[0] for line in shown.rows]
    assert shown.rows[0][1].endswith("/s")
    assert "small-model 40%, large-model 60%" == shown.rows[0][-1]


def test_capacities_are_drawn_whether_or_not_a_rate_was_found(tmp_path: Path) -> None:
    nothing = Bracket(holds_per_s=None, fails_per_s=1.0, attainment=None, attainment_beyond=0.1, tokens_by_model={})
    none = Capacity(
        policy="none", together=nothing, ratio_together=None, by_seed={1: None, 2: None}, per_seed=None, ratio=None
    )

    draw_capacity([*found()[0], none], "toy", tmp_path / "capacity.png")

    assert (tmp_path / "capacity.png").read_bytes().startswith(b"\x89PNG")
