"""Regret is counted against who was best in hindsight, joules and lateness apart."""

import pytest

from perllm.experiments.contest.regret import best_in_hindsight, regrets
from perllm.experiments.contest.summary import summarised
from tests.unit.experiments.contest.rows import curve, row

STEADY = curve((10.0, 9, 10, 50.0), (20.0, 9, 10, 50.0))
WASTEFUL = curve((10.0, 9, 10, 100.0), (20.0, 6, 10, 100.0))


def test_the_best_met_every_target_with_the_fewest_joules() -> None:
    rows = [row("dear", joules=200.0), row("cheap", joules=100.0), row("late", joules=1.0, attainment=0.5)]

    assert "cheap" == best_in_hindsight(summarised(rows, 0.0))


def test_where_nobody_met_the_targets_the_best_met_most() -> None:
    rows = [row("worse", joules=1.0, attainment=0.5), row("better", joules=9.0, attainment=0.6)]

    assert "better" == best_in_hindsight(summarised(rows, 0.0))


def test_regret_adds_up_over_time_and_the_best_has_none() -> None:
    rows = [row("best", joules=100.0, curve=STEADY), row("other", joules=200.0, curve=WASTEFUL)]

    best, other = regrets(rows, summarised(rows, 0.0))

    assert {0.0} == {*best.joules, *best.missed}
    assert ("best", 20.0) == (other.best, other.at_s[-1])
    middle = len(other.at_s) // 2
    assert [0.0, 50.0, 100.0] == pytest.approx([other.joules[place] for place in (0, middle, -1)])
    assert [0.0, 0.0, 3.0] == pytest.approx([other.missed[place] for place in (0, middle, -1)])


def test_runs_without_curves_have_no_regret() -> None:
    assert [] == regrets([row()], summarised([row()], 0.0))
