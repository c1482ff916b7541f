"""Comparisons in processes of their own: stopped in any way, they go on where they were, to the same bytes."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.unit.cli.terminal import environment

SMALL = Path(__file__).parents[2] / "scenarios" / "small.yaml"
CELLS = 40
LIMIT_S = 60.0
FINAL = ("results.json", "results.csv", "versus.csv", "tables.md")


def command(folder: Path, workers: int) -> list[str]:
    grid = ("--policies", "cs-ucb,round-robin", "--seeds", "20", "--requests", "500")
    own = ("--no-figures", "--workers", str(workers), "--out", str(folder))
    return [sys.executable, "-m", "perllm.cli", "compare", str(SMALL), *grid, *own]


def finish(folder: Path, workers: int) -> None:
    subprocess.run(command(folder, workers), check=True, timeout=LIMIT_S, capture_output=True, env=environment())


@contextmanager
def begun(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a comparison in a group of its own, as a terminal does, and yield it when some runs are finished."""
    # A terminal's children hear Ctrl-C even where these tests were started by something that ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command(folder, 2),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        env=environment(),
    ) as process:
        give_up_at_s = monotonic() + LIMIT_S
        while process.poll() is None and lines_in(folder) < 3 and monotonic() < give_up_at_s:
            wait_a_little_for(process)
        yield process
        if process.poll() is None:
            process.kill()


def wait_a_little_for(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=0.02)
    except subprocess.TimeoutExpired:
        return


def lines_in(folder: Path) -> int:
    runs = folder / "runs.jsonl"
    return runs.read_bytes().count(b"\n") if runs.exists() else 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    finish(folder, 1)
    return folder


def assert_same(folder: Path, whole: Path) -> None:
    assert CELLS == lines_in(folder)
    for name in FINAL:
        assert (whole / name).read_bytes() == (folder / name).read_bytes()


def test_after_ctrl_c_the_same_command_goes_on(whole: Path, tmp_path: Path) -> None:
    with begun(tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=LIMIT_S)

    assert 130 == process.returncode
    assert b"the same command goes on from there" in told
    assert b"Traceback" not in told
    assert 3 <= lines_in(tmp_path) < CELLS
    finish(tmp_path, 2)
    assert_same(tmp_path, whole)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells of the end of others' processes")
def test_a_killed_comparison_leaves_no_process_behind_and_goes_on(whole: Path, tmp_path: Path) -> None:
    with begun(tmp_path) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        handles = [os.pidfd_open(int(child)) for child in children]
        process.kill()

    assert len(handles) >= 2
    for handle in handles:
        assert select.select([handle], [], [], LIMIT_S)[0]
        os.close(handle)
    assert lines_in(tmp_path) < CELLS
    finish(tmp_path, 2)
    assert_same(tmp_path, whole)


def test_what_was_started_to_ignore_ctrl_c_goes_on_to_the_end(whole: Path, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            command(tmp_path, 2),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            env=environment(),
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        give_up_at_s = monotonic() + LIMIT_S
        while process.poll() is None and lines_in(tmp_path) < 3 and monotonic() < give_up_at_s:
            wait_a_little_for(process)
        os.killpg(process.pid, signal.SIGINT)
        assert 0 == process.wait(timeout=LIMIT_S)

    assert_same(tmp_path, whole)
