"""What may be concluded: only between contenders whose every service meets its target, and only when it is sure."""

from collections.abc import Sequence

import pytest

from perllm.experiments.contest.row import Row
from perllm.experiments.contest.summary import summarised
from perllm.experiments.contest.versus import Verdict, Versus, compared, conclusion
from tests.unit.experiments.contest.rows import row

SEEDS = range(1, 7)
# Seeds differ by far more than contenders do: only pairing them tells anything.
LOADS = dict(zip(SEEDS, (100.0, 300.0, 150.0, 900.0, 500.0, 220.0), strict=True))


def runs(policy: str, factor: float, attainment: float = 1.0) -> list[Row]:
    scatter = (1.0, 1.004, 0.996, 1.002, 0.998, 1.0)
    return [
        row(policy, seed, joules=LOADS[seed] * factor * noise, attainment=attainment)
        for seed, noise in zip(SEEDS, scatter, strict=True)
    ]


def versus(rows: Sequence[Row]) -> dict[str, Versus]:
    return {each.rival: each for each in compared(rows, summarised(rows, 0.0), "cs-ucb")}


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(0.9, Verdict.RIVAL_BETTER), (0.99, Verdict.RIVAL_AHEAD), (1.0, Verdict.EVEN), (1.1, Verdict.RIVAL_BEHIND)],
)
def test_a_difference_between_contenders_shows_through_the_differences_between_seeds(
    factor: float, verdict: Verdict
) -> None:
    ours = [row("cs-ucb", seed, joules=LOADS[seed]) for seed in SEEDS]

    found = versus([*ours, *runs("rival", factor)])["rival"]

    assert verdict is found.verdict
    assert found.energy_ratio is not None
    assert factor == pytest.approx(found.energy_ratio.mean, rel=0.01)


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (1.0, 0.9, Verdict.RIVAL_MISSES),
        (0.9, 1.0, Verdict.ONLY_RIVAL_MEETS),
        (0.9, 0.9, Verdict.NEITHER_MEETS),
    ],
)
def test_joules_are_not_compared_where_a_target_is_missed(ours: float, theirs: float, verdict: Verdict) -> None:
    found = versus([*runs("cs-ucb", 1.0, ours), *runs("rival", 0.5, theirs)])["rival"]

    assert (None, None, verdict) == (found.energy_ratio, found.p, found.verdict)
    assert found.throughput_ratio is not None
    assert found.request_energy_ratio is not None


def test_many_rivals_make_each_test_stricter() -> None:
    ours = [row("cs-ucb", seed, joules=LOADS[seed]) for seed in SEEDS]
    rows = [*ours, *runs("one", 0.97), *runs("two", 0.97), *runs("three", 1.0)]

    found = versus(rows)

    p_values = [(each.p or 0.0, each.p_holm or 0.0) for each in found.values()]
    assert all(corrected >= p for p, corrected in p_values)
    assert (found["one"].p or 0.0) * 3 == pytest.approx(found["one"].p_holm)


def test_one_seed_proves_nothing() -> None:
    rows = [row("cs-ucb"), row("rival", joules=10.0)]

    assert Verdict.UNKNOWN is versus(rows)["rival"].verdict


def test_a_tolerance_lets_a_near_miss_count_as_met() -> None:
    rows = [*runs("cs-ucb", 1.0), *runs("rival", 0.9, attainment=0.94)]

    strict, lenient = (compared(rows, summarised(rows, by), "cs-ucb")[0].verdict for by in (0.0, 0.015))

    assert (Verdict.RIVAL_MISSES, Verdict.RIVAL_BETTER) == (strict, lenient)


def test_the_conclusion_names_who_was_better_and_who_alone_met_every_target() -> None:
    ours = [row("cs-ucb", seed, joules=LOADS[seed]) for seed in SEEDS]
    rows = [*ours, *runs("cheap", 0.5), *runs("late", 0.1, attainment=0.5)]
    found = compared(rows, summarised(rows, 0.0), "cs-ucb")

    told = conclusion(found)

    assert "Better than cs-ucb by more than 2 % in 1 comparisons: cheap (small, 2/s)." in told
    assert "1 pairs are not compared" in told
    missed = [*runs("cs-ucb", 1.0, 0.5), *runs("sure", 9.0)]
    alone = conclusion(compared(missed, summarised(missed, 0.0), "cs-ucb"))
    assert "Meeting every target where cs-ucb misses one: sure (small, 2/s)." in alone
    assert "There was nobody to compare." == conclusion([])
