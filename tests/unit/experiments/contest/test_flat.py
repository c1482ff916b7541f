"""Nested values in one table."""

from pathlib import Path

from perllm.experiments.contest.capacity import Bracket, Capacity
from perllm.experiments.contest.flat import write_csv
from perllm.experiments.contest.summary import summarised
from tests.unit.experiments.contest.rows import row


def test_inner_values_have_columns_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"

    write_csv(path, summarised([row("a", 1), row("a", 2), row("b", 1)], 0.0))

    head, first, second = path.read_text(encoding="utf-8").splitlines()
    assert head.startswith("place.scenario,place.variant,place.rate_per_s,policy,seeds,idle,attainment.mean")
    assert first.startswith("small,,2.0,a,1 2,all,1.0")
    assert second.startswith("small,,2.0,b,1,all,1.0")


def test_columns_that_only_later_values_have_are_there(tmp_path: Path) -> None:
    path, nothing = (
        tmp_path / "c.csv",
        Bracket(holds_per_s=None, fails_per_s=None, attainment=None, attainment_beyond=None, tokens_by_model={}),
    )
    found = [
        Capacity(policy="a", together=nothing, ratio_together=None, by_seed={}, per_seed=None, ratio=None),
        Capacity(policy="b", together=nothing, ratio_together=None, by_seed={7: 2.5}, per_seed=None, ratio=None),
    ]

    write_csv(path, found)

    head, *lines = path.read_text(encoding="utf-8").splitlines()
    assert "by_seed.7" in head
    assert "2.5" in lines[1]
