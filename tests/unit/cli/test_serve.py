"""`perllm serve` says where it listens, or in one line why it does not."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perllm.journal.replay import verify
from tests.unit.cli.terminal import environment, type_in

CONFIG = """
listen: {port: 0}
journal: {path: journal.sqlite}
servers:
  desk: {url: "http://127.0.0.1:9", tier: edge, models: [llama]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "perllm.yaml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_gateway_says_where_it_listens_and_stops_when_asked(folder: Path) -> None:
    command = [sys.executable, "-m", "perllm.cli", "serve", "perllm.yaml", "--policy", "round-robin"]
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address, rest = process.stdout.readline(), process.stdout.readline()
        process.send_signal(signal.SIGINT)
        exit_code = process.wait(timeout=30)

    assert 0 == exit_code
    assert address.startswith("Listening on http://127.0.0.1:")
    assert "policy round-robin; servers desk (edge); journal journal.sqlite\n" == rest
    assert (1, 0) == (verify(folder / "journal.sqlite").entries, verify(folder / "journal.sqlite").mismatches)


def test_a_port_in_use_is_one_line_and_exit_status_2(folder: Path, taken_port: int) -> None:
    shown = type_in("serve", "perllm.yaml", "--port", taken_port)

    assert 2 == shown.exit_code
    assert shown.stderr.startswith(f"error: listen: cannot listen on 127.0.0.1:{taken_port}: ")
    assert shown.stderr.endswith("Stop the other program or choose another port (0: any free one).\n")


def test_a_wrong_config_is_one_line_and_exit_status_2(folder: Path) -> None:
    shown = type_in("serve", "missing.yaml")

    assert (2, "error: missing.yaml: there is no such file. Check its name.\n") == (shown.exit_code, shown.stderr)
