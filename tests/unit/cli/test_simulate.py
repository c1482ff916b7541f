"""`perllm simulate` prints tables for people, or nothing but JSON."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.terminal import type_in

SMALL = Path(__file__).parents[3] / "scenarios" / "small.yaml"
RUN = ("simulate", SMALL, "--requests", 50)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again, other = (type_in(*RUN, "--json", "-", "--no-timing", "--seed", seed).stdout for seed in (3, 3, 4))

    assert first == again
    assert first != other


def test_only_the_timing_differs_between_two_runs() -> None:
    first, again = (json.loads(type_in(*RUN, "--json", "-").stdout) for _ in range(2))

    assert first.pop("timing").keys() == {"decision_us", "wall_s"} == again.pop("timing").keys()
    assert first == again


def test_options_go_before_the_scenario() -> None:
    shown = type_in(*RUN, "--rate", 9, "--policy", "round-robin", "--seed", 5, "--json", "-")

    result = json.loads(shown.stdout)
    assert ("small", "round-robin", 5, 50) == (
        result["scenario"], result["policy"], result["seed"], result["requests"]["submitted"],
    )  # fmt: skip
    assert 9 == result["settings"]["rate_per_s"]


def test_people_get_tables_and_the_file_gets_json(tmp_path: Path) -> None:
    target = tmp_path / "result.json"

    shown = type_in(*RUN, "--json", target)

    assert 0 == shown.exit_code
    assert shown.stdout.startswith("small, policy cs-ucb, seed 0\n")
    for word in ("private", "edge-2", "of 50 requests were in time", "joules modelled"):
        assert word in shown.stdout
    assert 50 == json.loads(target.read_text(encoding="utf-8"))["requests"]["submitted"]


def test_a_recorded_run_makes_the_same_decisions_again(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    type_in(*RUN, "--seed", 2, "--journal", journal)

    verified = type_in("journal", "verify", journal)
    listed = type_in("journal", "show", journal, "--limit", 3)

    assert 0 == verified.exit_code
    assert "All came out the same." in verified.stdout
    assert "policy cs-ucb, seed 2" in listed.stdout
    assert 3 == len([line for line in listed.stdout.splitlines() if line[:1].isdigit()])


def test_a_trace_brings_its_own_arrivals(tmp_path: Path) -> None:
    trace = tmp_path / "azure.csv"
    rows = [f"2023-11-16 18:15:{second}.5,30,8" for second in range(10, 40)]
    trace.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]), encoding="utf-8")
    play = ("simulate", SMALL, "--trace", trace, "--json", "-")

    whole, faster, part = (
        json.loads(type_in(*play, *more).stdout) for more in ((), ("--speed-up", 2), ("--requests", 5))
    )

    assert [30, 30, 5] == [each["requests"]["submitted"] for each in (whole, faster, part)]
    assert whole["makespan_s"] > 29.0 > 25.0 > faster["makespan_s"] > 14.5


def test_a_malformed_trace_is_one_line_and_exit_status_2(tmp_path: Path) -> None:
    trace = tmp_path / "azure.csv"
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,x,8\n", encoding="utf-8")

    shown = type_in("simulate", SMALL, "--trace", trace)

    assert 2 == shown.exit_code
    assert f"error: {trace}:2: ContextTokens is 'x', not a number." in shown.stderr
    assert 1 == shown.stderr.count("\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--speed-up", 2), "error: --speed-up: there is no trace to speed up. Use --rate, or give --trace."),
        (("--trace", "a.csv", "--rate", 2), "error: --rate: a trace has a rate of its own. Use --speed-up."),
        (("--trace", "a.csv"), "error: a.csv: there is no such file. Check its name."),
        (("--policy", "best"), "error: there is no policy called 'best'"),
        (("--json", "missing/result.json"), "error: missing/result.json: --json: the folder does not exist"),
        (("--journal", "missing/journal"), "error: missing/journal: the journal cannot be opened"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_status_2(
    words: tuple[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    shown = type_in(*RUN, *words)

    assert 2 == shown.exit_code
    assert shown.stderr.startswith(told)
    assert 1 == shown.stderr.count("\n")
