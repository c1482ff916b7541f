"""`perllm bound` prints the bracket, or nothing but JSON, and says what is wrong with what it was asked."""

import json
from pathlib import Path

import pytest

from perllm.experiments.bound import solver
from tests.unit.cli.terminal import type_in

SMALL = Path(__file__).parents[3] / "scenarios" / "small.yaml"
ASK = ("bound", SMALL, "--requests", 15, "--moves", 20, "--policies", "cs-ucb,cloud-only")


def test_the_best_possible_lies_between_the_bound_and_the_schedule() -> None:
    result = json.loads(type_in(*ASK, "--attainment", 0.8, "--json", "-").stdout)

    assert 15 == result["requests"]
    assert 0.0 < result["lower_j"]["prices"] <= result["lower_j"]["fluid"] <= result["schedule"]["joules"]
    assert result["schedule"]["attainment"] >= 0.8
    assert ["cs-ucb", "cloud-only"] == [each["policy"] for each in result["policies"]]


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again = (type_in(*ASK, "--attainment", 0.8, "--json", "-").stdout for _ in range(2))

    assert first == again


def test_people_are_told_the_bracket() -> None:
    shown = type_in(*ASK, "--attainment", 0.8)

    assert 0 == shown.exit_code
    for word in ("bound by the fluid program", "bound by prices", "best schedule in hindsight", "cloud-only"):
        assert word in shown.stdout
    assert "No schedule does with less than" in shown.stdout


def test_idle_joules_come_on_top() -> None:
    without, counted = (
        json.loads(type_in(*ASK, "--attainment", 0.8, "--no-lp", flag, "--json", "-").stdout)
        for flag in ("--no-idle", "--idle")
    )

    assert counted["lower_j"]["best"] > without["lower_j"]["best"]
    assert ("none", "all") == (without["idle"], counted["idle"])


@pytest.mark.parametrize("share", [0, -1, 1.5])
def test_an_attainment_must_be_a_share(share: float) -> None:
    shown = type_in(*ASK, "--attainment", share)

    assert 2 == shown.exit_code
    assert "--attainment" in shown.stderr
    assert "at most 1" in shown.stderr


def test_an_attainment_that_no_schedule_reaches_is_refused(tmp_path: Path) -> None:
    hasty = tmp_path / "hasty.yaml"
    text = SMALL.read_text(encoding="utf-8")
    hasty.write_text(text.replace("total_s: ", "total_s: 0.00"), encoding="utf-8")

    shown = type_in("bound", hasty, "--requests", 15, "--attainment", 1.0)

    assert 2 == shown.exit_code
    assert "could be, each alone on the fastest server" in shown.stderr


def test_without_scipy_it_says_how_to_get_it_and_prices_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "linprog", None)

    refused, priced = type_in(*ASK), type_in(*ASK, "--attainment", 0.8, "--no-lp", "--json", "-")

    assert 2 == refused.exit_code
    assert "pip install 'perllm[bound]'" in refused.stderr
    assert json.loads(priced.stdout)["lower_j"]["fluid"] is None


def test_help_has_examples() -> None:
    assert "perllm bound scenarios/" in type_in("bound", "--help").stdout
