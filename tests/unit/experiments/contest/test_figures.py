"""Figures are drawn of any comparison, however few seeds, loads and contenders it has."""

from pathlib import Path

import pytest

from perllm.experiments.contest.figures import draw
from perllm.experiments.contest.regret import regrets
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.summary import summarised
from tests.unit.experiments.contest.rows import curve, row

PNG = b"\x89PNG\r\n\x1a\n"
CURVE = curve((10.0, 9, 10, 50.0), (20.0, 0, 0, 50.0))


@pytest.mark.parametrize(
    ("rows", "kinds"),
    [
        ([row()], ["energy", "cost"]),
        ([row(rate_per_s=None, curve=CURVE)], ["energy", "learning", "regret", "cost"]),
        (
            [
                row(policy, seed, rate_per_s=rate, variant="a b/c", attainment=attainment)
                for policy, attainment in (("one", 1.0), ("other", 0.0))
                for seed in (1, 2)
                for rate in (1.0, 2.0)
            ],
            ["load", "energy", "energy", "cost"],
        ),
    ],
)
def test_every_figure_is_a_picture(rows: list[Row], kinds: list[str], tmp_path: Path) -> None:
    summaries = summarised(rows, 0.0)

    drawn = draw(rows, summaries, regrets(rows, summaries), tmp_path)

    assert kinds == [path.stem.rpartition("-")[2] for _, path in drawn]
    assert all(path.read_bytes().startswith(PNG) for _, path in drawn)
    assert len(drawn) == len({path for _, path in drawn})
