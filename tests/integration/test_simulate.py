"""The simulator as a user types it: whole processes, which share nothing but their arguments."""

import os
import subprocess
import sys
from pathlib import Path

SMALL = Path(__file__).parents[2] / "scenarios" / "small.yaml"


def simulated(hash_seed: str, *more: str) -> bytes:
    """Return what one process prints."""
    command = [sys.executable, "-m", "perllm.cli", "simulate", str(SMALL), "--no-timing", "--json", "-", *more]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, timeout=60, check=True, env=environment).stdout


def test_two_processes_print_the_same_bytes() -> None:
    first, second = simulated("1", "--seed", "7"), simulated("2", "--seed", "7")

    assert first == second
    assert first != simulated("1", "--seed", "8")


def test_files_of_two_processes_are_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        folder.mkdir()
        outputs = {
            "--requests-out": folder / "requests.csv",
            "--series-out": folder / "series.jsonl",
            "--timeline": folder / "timeline.json.gz",
        }
        simulated(hash_seed, *(str(word) for pair in outputs.items() for word in pair))
        written.append([path.read_bytes() for path in outputs.values()])

    assert written[0] == written[1]
    assert all(written[0])
