"""`compare`, `capacity`, `ablate` and `reproduce`, as they are typed, in one process."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.terminal import type_in

SMALL = Path(__file__).parents[3] / "scenarios" / "small.yaml"
FEW = ("--requests", 40, "--seeds", 2, "--workers", 1)


def compared(folder: Path, *more: object) -> str:
    shown = type_in("compare", SMALL, *FEW, "--no-figures", "--out", folder, *more)
    assert 0 == shown.exit_code, shown.output
    return shown.stdout


def test_compare_prints_a_table_for_each_load_and_writes_everything(tmp_path: Path) -> None:
    shown = compared(tmp_path, "--policies", "cloud-only,round-robin", "--rates", "2,4")

    for word in ("small, 2/s", "small, 4/s", "cs-ucb", "round-robin", "tokens by model", "Decision cost", "Holm"):
        assert word in shown
    names = {path.name for path in tmp_path.iterdir()}
    assert {"runs.jsonl", "results.json", "results.csv", "versus.csv", "report.html", "tables.md"} == names
    told = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert 6 == len(told["summaries"])
    assert 4 == len(told["versus"]) == len([each for each in told["versus"] if each["against"] == "cs-ucb"])


def test_results_do_not_depend_on_when_runs_were_made(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    compared(whole, "--policies", "cloud-only")
    compared(parts, "--policies", "cs-ucb", "--seeds", "2-2")
    runs = parts / "runs.jsonl"
    runs.write_bytes(runs.read_bytes() + b'{"key": "half a li')
    compared(parts, "--policies", "cloud-only")

    for name in ("results.json", "results.csv", "versus.csv", "tables.md"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()


def test_a_changed_scenario_is_noticed_and_run_again(tmp_path: Path) -> None:
    scenario = tmp_path / "mine.yaml"
    text = SMALL.read_text(encoding="utf-8")
    scenario.write_text(text, encoding="utf-8")
    typed = ("compare", scenario, *FEW, "--no-figures", "--policies", "cs-ucb", "--out", tmp_path / "out")
    type_in(*typed)
    scenario.write_text(text.replace("rtt_ms: 40", "rtt_ms: 90"), encoding="utf-8")
    # A new process would read the file again.
    from_another_folder = tmp_path / "." / ".." / tmp_path.name / "mine.yaml"

    shown = type_in("compare", from_another_folder, *typed[2:])

    assert "2 runs there are of another version of the scenario or of PerLLM" in shown.stderr
    assert 4 == len((tmp_path / "out" / "runs.jsonl").read_text(encoding="utf-8").splitlines())


def test_nothing_but_json_where_json_is_asked_for(tmp_path: Path) -> None:
    told = json.loads(compared(tmp_path, "--policies", "cloud-only", "--json", "-"))

    assert {"about", "summaries", "versus", "regrets"} == told.keys()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--policies", "best-of-all"), "there is no policy called 'best-of-all'"),
        (("--policies", "cs-ucb+fast"), "cannot be used as '+fast'"),
        (("--seeds", "x"), "--seeds: 'x' is neither a number of seeds nor a range"),
        (("--rates", "x"), "--rates: 'x' is no list of rates"),
        (("--set", "servers.cloud.slots=two"), "servers.cloud.slots: 'two' does not fit here"),
        (("--against", "nobody"), "there is no policy called 'nobody'"),
    ],
)
def test_a_mistake_is_told_before_anything_is_run(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    shown = type_in("compare", SMALL, *FEW, "--no-figures", "--out", tmp_path / "out", *words)

    assert 2 == shown.exit_code
    assert told in shown.stderr.replace("\n", " ")
    assert not (tmp_path / "out" / "runs.jsonl").exists()


def test_two_scenarios_of_one_name_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(SMALL.read_text(encoding="utf-8"), encoding="utf-8")

    shown = type_in("compare", SMALL, other, "--out", tmp_path / "out")

    assert 2 == shown.exit_code
    assert "it has the name of" in shown.stderr


def test_capacity_finds_a_bracket_and_goes_on_from_what_is_there(tmp_path: Path) -> None:
    few = ("--requests", 150, "--seeds", 2, "--workers", 1, "--no-figures")
    typed = ("capacity", SMALL, *few, "--policies", "cs-ucb,cloud-only", "--out", tmp_path)

    shown = type_in(*typed)
    runs = (tmp_path / "runs.jsonl").read_bytes()
    again = type_in(*typed)

    assert 0 == shown.exit_code, shown.output
    assert shown.stdout == again.stdout
    assert runs == (tmp_path / "runs.jsonl").read_bytes()
    told = json.loads((tmp_path / "capacity-0.97.json").read_text(encoding="utf-8"))
    assert ["cs-ucb", "cloud-only"] == [each["policy"] for each in told["capacities"]]
    together = told["capacities"][0]["together"]
    assert together["fails_per_s"] == pytest.approx(1.02 * together["holds_per_s"], rel=1e-4)
    assert told["question"]["world"]["file"] == "small.yaml"


def test_ablate_switches_parts_over(tmp_path: Path) -> None:
    typed = ("ablate", SMALL, *FEW, "--no-figures", "--policy", "least-outstanding", "--out", tmp_path)

    shown = type_in(*typed)

    assert 0 == shown.exit_code, shown.output
    for word in ("least-outstanding without its parts: small, 4/s", "nothing", "per_slot=true", "does it pay?"):
        assert word in shown.stdout
    assert "without its parts" in (tmp_path / "tables.md").read_text(encoding="utf-8")


def test_a_policy_without_parts_cannot_be_ablated(tmp_path: Path) -> None:
    shown = type_in("ablate", SMALL, *FEW, "--no-figures", "--policy", "cloud-only", "--out", tmp_path)

    assert 2 == shown.exit_code
    assert "cloud-only has no parts" in shown.stderr


def test_reproduce_writes_a_document_of_measured_tables(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        f"""
written: 2026-11-25
seeds: 1001-1002
requests: 30
ours: [cs-ucb]
policies: [cloud-only, not-here-yet]
decided: ["Ours: everything."]
claims:
  rivals: {{cloud-only: {{throughput: 2.2}}}}
  energy_fraction: 0.5
  attainment: 0.97
studies:
  one:
    question: What comes of it?
    scenarios: ["{SMALL}"]
    rates: [2]
    variants: {{as it is: [], two slots: [servers.cloud.slots=2]}}
  other:
    question: The same again?
    scenarios: ["{SMALL}"]
    rates: [2]
    variants: {{the same: []}}
""",
        encoding="utf-8",
    )

    shown = type_in("reproduce", "--plan", plan, "--workers", 1, "--no-figures", "--out", tmp_path / "out")

    assert 0 == shown.exit_code, shown.output
    assert "left out: not-here-yet" in shown.stderr.replace("\n", " ")
    # The other study asks for nothing that the first has not run.
    assert 8 == len((tmp_path / "out" / "runs.jsonl").read_text(encoding="utf-8").splitlines())
    document = (tmp_path / "out" / "reproduction.md").read_text(encoding="utf-8")
    for word in ("## one", "small, two slots, 2/s", "## other", "small, the same, 2/s", "`not-here-yet`", "- Ours: e"):
        assert word in document
    claims = (tmp_path / "out" / "claims.csv").read_text(encoding="utf-8").splitlines()
    assert 4 == len(claims)
    only = ("reproduce", "--plan", plan, "--no-figures", "--out", tmp_path / "out", "--only", "ones")
    assert "Did you mean one?" in type_in(*only).stderr
