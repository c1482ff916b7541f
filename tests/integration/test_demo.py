"""The demo as a user types it: real engines, the real client, the real gateway, and a result that adds up."""

import json
import subprocess
import sys
from pathlib import Path

SECONDS = 6
LIMIT_S = 150


def test_the_demo_serves_both_tiers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    command = [sys.executable, "-m", "perllm.cli", "demo", "--seconds", str(SECONDS), "--json", str(target)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    assert (0, "") == (ended.returncode, ended.stderr if ended.returncode else "")
    result = json.loads(target.read_text())
    for run in (result, result["cloud_only"]):
        requests = run["requests"]
        assert 0 < requests["submitted"] == requests["completed"]
        assert all(run["laws"].values())
        assert "declared" == run["energy_j"]["method"]
    tiers = {server["tier"] for server in result["servers"].values() if server["completed"]}
    assert {"edge", "cloud"} == tiers
    assert "in time" in ended.stdout


def test_json_on_standard_output_is_alone_there() -> None:
    command = [sys.executable, "-m", "perllm.cli", "demo", "--seconds", "2", "--seed", "3", "--json", "-"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    assert "cs-ucb" == json.loads(ended.stdout)["policy"]
