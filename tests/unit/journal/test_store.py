import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from perllm.domain.entry import Entry
from perllm.errors import ConfigError
from perllm.journal.header import SCHEMA_VERSION
from perllm.journal.store import JournalFile, read, read_numbered
from tests.unit.accounting.entries import progress_entry
from tests.unit.journal.runs import header

ENTRIES = [progress_entry(tokens=number, at_s=number / 7) for number in range(5)]
ROOT = Path(__file__).parents[3]
# Writes a thousand entries, says so, and goes on writing until it is killed (or, left alone, for a bounded while).
ENDLESS_WRITER = """
import sys
from pathlib import Path
from threading import Event
from perllm.journal.writer import JournalWriter
from tests.unit.accounting.entries import progress_entry
from tests.unit.journal.runs import header
writer, pause = JournalWriter(Path(sys.argv[1]), header(), flush_s=0.001), Event()
for number in range(200_000):
    writer(progress_entry(tokens=number))
    if number % 100 == 0:
        pause.wait(0.001)
    if number == 1000:
        while writer.written <= 1000:
            pause.wait(0.001)
        print("written", flush=True)
"""


def write(path: Path, entries: list[Entry], **header_changes: object) -> None:
    file = JournalFile(path, header(**header_changes))
    assert [] == file.append(enumerate(entries))
    file.close()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "journal", ENTRIES)
    head, entries = read(tmp_path / "journal")

    assert header() == head
    assert ENTRIES == list(entries)


def test_a_header_tells_versions_and_when_it_began(tmp_path: Path) -> None:
    write(tmp_path / "journal", [])
    head, _ = read(tmp_path / "journal")

    assert (SCHEMA_VERSION, "2030-01-02T03:04:05+00:00") == (head["schema_version"], head["started_at"])
    assert "." in head["perllm_version"]


def test_a_restart_adds_a_run_and_the_latest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    write(path, ENTRIES[:2], seed=1)
    write(path, ENTRIES[2:], seed=2)

    assert [(2, ENTRIES[2:]), (1, ENTRIES[:2]), (2, ENTRIES[2:])] == [
        (head["seed"], list(entries)) for head, entries in (read(path), read(path, 1), read(path, 2))
    ]


def test_a_journal_is_read_while_it_is_written(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal", header())
    file.append(enumerate(ENTRIES[:3]))
    _, entries = read(tmp_path / "journal")

    assert ENTRIES[0] == next(entries)
    file.append([(3, ENTRIES[3])])
    assert ENTRIES[1:3] == list(entries)
    assert ENTRIES[:4] == list(read(tmp_path / "journal")[1])
    file.close()


def test_a_batch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal", header())
    with pytest.raises(sqlite3.IntegrityError):
        file.append([(0, ENTRIES[0]), (0, ENTRIES[1])])
    file.append([(0, ENTRIES[2])])
    file.close()

    assert [ENTRIES[2]] == list(read(tmp_path / "journal")[1])


@pytest.mark.parametrize("bad", [progress_entry("\udcff"), Entry(0.0, ENTRIES[0].kind, "", object(), ())])  # type: ignore[arg-type]
def test_an_entry_that_cannot_be_written_is_left_out_and_told(tmp_path: Path, bad: Entry) -> None:
    file = JournalFile(tmp_path / "journal", header())
    faults = file.append(enumerate([ENTRIES[0], bad, ENTRIES[1]]))
    file.close()

    assert [True] == [fault.startswith("entry 1 (progress) cannot be written: ") for fault in faults]
    assert [(0, ENTRIES[0]), (2, ENTRIES[1])] == list(read_numbered(tmp_path / "journal")[1])


def kill_while_writing(path: Path) -> None:
    command = [sys.executable, "-c", ENDLESS_WRITER, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert b"written\n" == process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)


def test_a_killed_writer_leaves_a_journal_that_reads_cleanly(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    kill_while_writing(path)
    numbered = list(read_numbered(path)[1])

    assert len(numbered) > 1000
    assert list(range(len(numbered))) == [sequence for sequence, _ in numbered]
    assert progress_entry(tokens=1000) == numbered[1000][1]


def test_a_journal_goes_on_after_its_writer_was_killed(tmp_path: Path) -> None:
    kill_while_writing(tmp_path / "journal")
    write(tmp_path / "journal", ENTRIES)

    assert ENTRIES == list(read(tmp_path / "journal")[1])


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 100)

    for use in (lambda: write(path, []), lambda: read(path)):
        with pytest.raises(ConfigError, match=r"notes.txt: this is no journal.*Name another file"):
            use()
    assert "dear diary, " * 100 == path.read_text()


def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    theirs = sqlite3.connect(path)
    theirs.execute("CREATE TABLE mine (x)")
    theirs.close()
    before = path.read_bytes()

    for use in (lambda: write(path, []), lambda: read(path)):
        with pytest.raises(ConfigError, match="no PerLLM journal"):
            use()
    assert before == path.read_bytes()


def test_a_journal_of_another_schema_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    write(path, ENTRIES)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()

    for use in (lambda: write(path, []), lambda: read(path)):
        with pytest.raises(ConfigError, match=rf"schema {SCHEMA_VERSION + 1}.*Start a new journal file"):
            use()


def test_a_missing_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Check that the folder exists"):
        write(tmp_path / "nowhere" / "journal", [])


def test_a_missing_journal_is_not_created_by_reading(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        read(tmp_path / "journal")

    assert [] == list(tmp_path.iterdir())


def test_a_run_that_is_not_there_is_explained(tmp_path: Path) -> None:
    write(tmp_path / "journal", [])

    with pytest.raises(ConfigError, match=r"no run 2\. Its runs are numbered 1 to 1"):
        read(tmp_path / "journal", 2)


def test_a_damaged_entry_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    write(path, ENTRIES)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE entry SET body = x'00' WHERE sequence = 1")
    connection.commit()
    connection.close()
    _, entries = read(path)

    assert ENTRIES[0] == next(entries)
    with pytest.raises(ConfigError, match="entry 1 cannot be understood"):
        next(entries)


def test_a_damaged_file_is_not_taken_for_a_short_one(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = JournalFile(path, header())
    journal.append([(number, progress_entry(tokens=number)) for number in range(5000)])
    journal.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 4096)

    with pytest.raises(ConfigError, match="damaged"):
        list(read(path)[1])
