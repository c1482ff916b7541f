"""The table in docs/validation.md is the evidence, and the evidence meets what the text says of it."""

import json
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[3] / "docs"
SETS: list[dict[str, Any]] = json.loads((DOCS / "evidence" / "published.json").read_text())["result"]["sets"]
HELD_OUT = [found for found in SETS if found["points"] == "held out"]
# Where the text says that the target is missed.
MISSED = ("ML.ENERGY version 2", "Helix, decode, llama2-70b, L4, T4, V100", "One answer, tokens/s")


def test_the_table_is_the_evidence() -> None:
    text = (DOCS / "validation.md").read_text(encoding="utf-8")

    rows = [
        f"| {found['set']} | {found['points']} | {found['count']} | {100 * found['median']:.1f} %"
        f" | {100 * found['p90']:.1f} % | {100 * found['max']:.1f} % | {100 * found['bias']:.1f} %"
        for found in SETS
    ]
    assert [] == [row for row in rows if row not in text]
    assert len(SETS) == sum(line.startswith("|") for line in text.splitlines()) - 2


@pytest.mark.parametrize("found", HELD_OUT, ids=lambda found: found["set"])
def test_nine_in_ten_held_out_points_are_within_the_target(found: dict[str, Any]) -> None:
    if not found["set"].startswith(MISSED):
        assert found["p90"] <= found["target"]
