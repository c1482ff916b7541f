"""What a run leaves behind agrees with its result."""

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from perllm.cli.run_outputs import round_step
from tests.unit.accounting.trace_format import complaints
from tests.unit.cli.terminal import type_in

SMALL = Path(__file__).parents[3] / "scenarios" / "small.yaml"
PLOTS = ("requirements.png", "energy.png", "load.png", "prediction-error.png")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a scenario in which requests wait, are refused, leave and lose their server."""
    file = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    file["workload"] |= {"requests": 300, "rate_per_s": 12}
    file["workload"]["loads"]["chat"] |= {"leaving_fraction": 0.2, "leaving_after_s": 1}
    file["world"] = {"outages": [{"server": "cloud", "from_s": 5, "to_s": 9}]}
    made = tmp_path_factory.mktemp("scenario") / "busy.yaml"
    made.write_text(yaml.safe_dump(file), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def written(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    outputs = ("--requests-out", folder / "r.csv", "--series-out", folder / "s.jsonl", "--series-every", 2)
    shown = type_in(
        "simulate", scenario, "--json", folder / "result.json", *outputs, "--timeline", folder / "t.json",
        "--journal", folder / "journal", "--no-timing",
    )  # fmt: skip
    assert 0 == shown.exit_code
    return folder


@pytest.fixture
def result(written: Path) -> Mapping[str, Any]:
    return json.loads((written / "result.json").read_bytes())  # type: ignore[no-any-return]


def test_requests_add_up_to_the_result(written: Path, result: Mapping[str, Any]) -> None:
    with (written / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    for fate in ("completed", "refused", "cancelled", "failed", "timed_out"):
        assert result["requests"][fate] == sum(row["fate"] == fate for row in rows)
    assert min(result["requests"]["refused"], result["requests"]["cancelled"]) > 0
    assert result["requests"]["in_time"] == sum(row["in_time"] == "true" for row in rows)
    for account in ("transmit", "infer"):
        assert result["energy_j"][account] == pytest.approx(sum(float(row[f"{account}_j"]) for row in rows))


def test_intervals_add_up_to_the_result(written: Path, result: Mapping[str, Any]) -> None:
    rows = [json.loads(line) for line in (written / "s.jsonl").read_bytes().splitlines()]

    assert result["requests"]["submitted"] == sum(row["arrivals"] for row in rows)
    assert result["requests"]["in_time"] == sum(row["in_time"] for row in rows)
    assert max(row["held_mean"] for row in rows) > 0.0
    for account in ("transmit", "infer", "idle"):
        assert result["energy_j"][account] == pytest.approx(sum(row["energy_j"][account] for row in rows))
    assert all(2.0 == row["to_s"] - row["from_s"] for row in rows[:-1])


def test_a_timeline_keeps_the_rules_of_its_format(written: Path, result: Mapping[str, Any]) -> None:
    events = json.loads((written / "t.json").read_bytes())["traceEvents"]

    assert [] == complaints(events)
    attempts = sum(server["attempts"] for server in result["servers"].values())
    assert attempts == sum("took_s" in event.get("args", ()) for event in events)
    assert {"X", "C", "M"} <= {event["ph"] for event in events}


def test_outputs_do_not_change_the_result(written: Path, scenario: Path) -> None:
    alone = type_in("simulate", scenario, "--json", "-", "--no-timing")

    assert (written / "result.json").read_text(encoding="utf-8") == alone.stdout


def test_a_journal_gives_the_same_requests_and_timeline(written: Path, tmp_path: Path) -> None:
    shown = type_in(
        "journal", "export", written / "journal", "--requests-out", tmp_path / "r.csv",
        "--timeline", tmp_path / "t.json", "--series-out", tmp_path / "s.csv",
    )  # fmt: skip

    assert 0 == shown.exit_code
    assert (written / "r.csv").read_bytes() == (tmp_path / "r.csv").read_bytes()
    live, later = (json.loads((folder / "t.json").read_bytes()) for folder in (written, tmp_path))
    assert live["traceEvents"] == later["traceEvents"]
    assert "started_at" in later["otherData"]


def test_an_export_of_nothing_is_a_mistake(written: Path) -> None:
    shown = type_in("journal", "export", written / "journal")

    assert 2 == shown.exit_code
    assert "error: nothing was asked for. Give --requests-out, --series-out or --timeline.\n" == shown.stderr


def test_plots_are_drawn_into_a_folder(tmp_path: Path) -> None:
    shown = type_in("simulate", SMALL, "--requests", 60, "--plots", tmp_path / "plots")

    assert 0 == shown.exit_code
    assert sorted(PLOTS) == sorted(file.name for file in (tmp_path / "plots").iterdir())
    assert f"Plots in {tmp_path / 'plots'}: {', '.join(PLOTS)}\n" == shown.stderr


def test_plots_without_matplotlib_say_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib" or ".experiments." in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    shown = type_in("simulate", SMALL, "--requests", 60, "--plots", tmp_path)

    assert 2 == shown.exit_code
    assert shown.stderr.startswith("error: --plots needs matplotlib, which is not installed. Install it with: pip")
    assert "perllm[plots]" in shown.stderr


@pytest.mark.parametrize("option", ["--requests-out", "--series-out", "--timeline"])
def test_a_file_that_cannot_be_written_is_told_before_the_run(option: str, tmp_path: Path) -> None:
    shown = type_in("simulate", tmp_path / "no-scenario.yaml", option, tmp_path / "none" / "x.csv")

    assert 2 == shown.exit_code
    assert f": {option}: " in shown.stderr
    assert 1 == shown.stderr.count("\n")


@pytest.mark.parametrize(("span_s", "step_s"), [(1.0, 1.0), (9.99, 5.0), (25.0, 20.0), (0.3, 0.2), (700.0, 500.0)])
def test_steps_are_round(span_s: float, step_s: float) -> None:
    assert step_s == pytest.approx(round_step(span_s))
