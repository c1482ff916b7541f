import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from perllm.domain.entry import Entry
from perllm.errors import ConfigError
from perllm.journal.store import read, read_numbered
from perllm.journal.writer import BATCH, BlockingWriter, JournalWriter
from tests.unit.accounting.entries import progress_entry
from tests.unit.journal.runs import header

LIMIT_S = 20.0
NEVER_S = 1_000.0


def entries(number: int) -> list[Entry]:
    return [progress_entry(tokens=token) for token in range(number)]


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """Let this process's disk be full, as far as it can tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's write lock, so that whoever writes must wait."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


class Failures:
    """Notes what a writer reports, and lets a test wait for it."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.happened = Event()

    def __call__(self, message: str) -> None:
        self.messages.append(message)
        self.happened.set()


def test_closing_writes_what_is_pending(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "journal", header(), flush_s=NEVER_S)
    for entry in entries(3 * BATCH + 1):
        writer(entry)
    writer.close()

    assert entries(3 * BATCH + 1) == list(read(tmp_path / "journal")[1])
    assert (3 * BATCH + 1, 0, 0) == (writer.written, writer.dropped, writer.failures)


def test_entries_are_in_the_file_soon_without_closing(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "journal", header(), flush_s=0.001)
    for expected in (1, 2):
        writer(progress_entry())
        wait_until_written(writer, expected)

        assert expected == len(list(read(tmp_path / "journal")[1]))
    writer.close()


def wait_until_written(writer: JournalWriter, number: int) -> None:
    tick = Event()
    for _ in range(int(LIMIT_S / 0.001)):
        if writer.written == number:
            return
        tick.wait(0.001)
    pytest.fail(f"{writer.written} entries were written, {number} expected")


def test_much_pending_is_written_before_the_interval_is_over(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "journal", header(), flush_s=NEVER_S, max_pending=10)
    for entry in entries(6):
        writer(entry)
    wait_until_written(writer, 6)
    writer.close()


def test_what_the_disk_cannot_follow_is_dropped_counted_and_seen_as_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    writer = JournalWriter(path, header(), flush_s=0.001, max_pending=10)
    with locked(path):
        for entry in entries(BATCH + 100):
            writer(entry)
    dropped = writer.dropped
    wait_until_written(writer, BATCH + 100 - dropped)
    writer(progress_entry())
    writer.close()
    sequences = [sequence for sequence, _ in read_numbered(path)[1]]

    assert dropped >= 100 - 10
    assert (BATCH + 100, BATCH + 101 - dropped) == (sequences[-1], len(sequences))


def test_a_full_disk_is_reported_and_written_to_again_once_there_is_room(tmp_path: Path) -> None:
    path, failures = tmp_path / "journal", Failures()
    writer = JournalWriter(path, header(), flush_s=0.001, on_failure=failures)
    with no_file_grows_beyond(64 * 1024):
        for entry in entries(5 * BATCH):
            writer(entry)
        assert failures.happened.wait(LIMIT_S)
    writer.close()

    assert (5 * BATCH, 0) == (writer.written, writer.dropped)
    assert entries(5 * BATCH) == list(read(path)[1])
    assert writer.failures >= len(failures.messages) >= 1


def test_a_disk_that_stays_full_loses_entries_but_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    writer = JournalWriter(path, header(), flush_s=0.001)
    with no_file_grows_beyond(64 * 1024):
        for entry in entries(5 * BATCH):
            writer(entry)
        writer.close()

    assert 5 * BATCH == writer.written + writer.dropped
    assert writer.written == len(list(read(path)[1]))
    assert writer.dropped > 0


def test_one_problem_is_told_once_and_counted_each_time(tmp_path: Path) -> None:
    failures = Failures()
    writer = JournalWriter(tmp_path / "journal", header(), on_failure=failures)
    bad = progress_entry("\udcff")
    for entry in (bad, progress_entry(), bad):
        writer(entry)
    writer.close()

    assert (1, 2, 2) == (writer.written, writer.dropped, writer.failures)
    assert ["entry 0", "entry 2"] == [message[:7] for message in failures.messages]


def test_entries_after_closing_are_dropped(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "journal", header())
    writer.close()
    writer(progress_entry())
    writer.close()

    assert (0, 1) == (writer.written, writer.dropped)


def test_a_writer_that_cannot_begin_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        JournalWriter(tmp_path / "nowhere" / "journal", header())


def test_a_blocking_writer_loses_nothing(tmp_path: Path) -> None:
    writer = BlockingWriter(tmp_path / "journal", header())
    for entry in entries(2 * BATCH + 1):
        writer(entry)
    writer.close()

    assert entries(2 * BATCH + 1) == list(read(tmp_path / "journal")[1])


def test_a_blocking_writer_says_why_it_cannot_write(tmp_path: Path) -> None:
    writer = BlockingWriter(tmp_path / "journal", header())
    writer(progress_entry("\udcff"))

    with pytest.raises(ConfigError, match=r"entry 0.*Check that the disk is not full"):
        writer.close()


def test_a_blocking_writer_says_that_the_disk_is_full(tmp_path: Path) -> None:
    writer = BlockingWriter(tmp_path / "journal", header())
    for entry in entries(BATCH - 1):
        writer(entry)
    with no_file_grows_beyond(64 * 1024), pytest.raises(ConfigError, match="cannot be written"):
        writer(progress_entry())
    writer.close()
