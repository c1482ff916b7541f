"""`perllm journal` says when decisions come out otherwise, and when there is no journal."""

from pathlib import Path

import pytest

from perllm.journal.header import make_header
from perllm.journal.store import read
from perllm.journal.writer import BlockingWriter
from perllm.scheduling.settings import SchedulerSettings
from tests.unit.cli.terminal import type_in


@pytest.mark.parametrize("command", ["verify", "show"])
def test_a_journal_that_is_not_there_is_a_mistake(command: str, tmp_path: Path) -> None:
    shown = type_in("journal", command, tmp_path / "none")

    assert 2 == shown.exit_code
    assert f"error: {tmp_path / 'none'}: there is no such file. Check its name.\n" == shown.stderr


def test_a_file_that_is_no_journal_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("this is not a database, and long enough to be read as one" * 20, encoding="utf-8")

    shown = type_in("journal", "verify", file)

    assert 2 == shown.exit_code
    assert "this is no journal" in shown.stderr


def test_decisions_that_come_out_otherwise_are_exit_status_1(tmp_path: Path) -> None:
    scenario = Path(__file__).parents[3] / "scenarios" / "small.yaml"
    recorded, changed = tmp_path / "recorded", tmp_path / "changed"
    type_in("simulate", scenario, "--requests", 20, "--journal", recorded)
    copy_under_another_policy(recorded, changed)

    shown = type_in("journal", "verify", changed)

    assert 1 == shown.exit_code
    assert "entries came out otherwise" in shown.stdout
    assert "recorded: dispatch" in shown.stdout


def copy_under_another_policy(source: Path, target: Path) -> None:
    header, entries = read(source)
    other = make_header(policy="round-robin", seed=0, settings=SchedulerSettings(), started_at=header["started_at"])
    writer = BlockingWriter(target, other)
    for entry in entries:
        writer(entry)
    writer.close()
