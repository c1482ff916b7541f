"""The journal file: a SQLite database in WAL mode that holds one run of entries after another."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from itertools import islice
from pathlib import Path

import msgspec

from perllm.domain.entry import Entry
from perllm.errors import ConfigError
from perllm.journal.codec import decode, encode
from perllm.journal.header import SCHEMA_VERSION, Header

# "PrLM" in ASCII: marks a SQLite file as a journal of ours.
APPLICATION_ID = 0x50724C4D

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (run INTEGER PRIMARY KEY, header TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entry (
    run INTEGER NOT NULL, sequence INTEGER NOT NULL, at_s REAL NOT NULL,
    kind TEXT NOT NULL, subject TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, sequence)
) WITHOUT ROWID;
"""
# Each statement lets other threads run and then has to wait for its turn again. One row at a time, that cost a busy
# gateway twice what encoding did; a whole batch at once would keep its event loop waiting.
_ROWS_AT_ONCE = 64
_SELECT = "SELECT sequence, at_s, kind, subject, body FROM entry WHERE run = ? ORDER BY sequence"

Numbered = tuple[int, Entry]
Row = tuple[int, int, float, str, str, bytes]


class JournalFile:
    """A journal open for writing, with a run of its own. To be used by one thread at a time.

    Raises ConfigError if the file cannot be opened, is no journal or has another schema.
    """

    def __init__(self, path: Path, header: Header, *, explanations: bool = True) -> None:
        self._explanations = explanations
        with _explained(path):
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._run = _begin_run(self._connection, path, header)
            except BaseException:
                self._connection.close()
                raise

    def append(self, entries: Iterable[Numbered]) -> list[str]:
        """Write entries in one transaction; return why any of them could not be written.

        Raises sqlite3.Error, with nothing written, if the file cannot take them: sqlite3.OperationalError where
        trying again may help.
        """
        faults: list[str] = []
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for rows in _batched(self._rows(entries, faults), _ROWS_AT_ONCE):
                self._connection.execute(_insert(len(rows)), [value for row in rows for value in row])
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return faults

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _rows(self, entries: Iterable[Numbered], faults: list[str]) -> Iterator[Row]:
        for sequence, entry in entries:
            try:
                body = encode(entry, columns=self._explanations)
                entry.subject.encode()
            except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
                faults.append(f"entry {sequence} ({entry.kind.value}) cannot be written: {error}")
                continue
            yield self._run, sequence, entry.at_s, entry.kind.value, entry.subject, body


@cache
def _insert(rows: int) -> str:
    return f"INSERT INTO entry VALUES {', '.join(['(?, ?, ?, ?, ?, ?)'] * rows)}"


def _batched(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """Yield the rows in lists of at most `size`."""
    while batch := list(islice(rows, size)):
        yield batch


def read(path: Path, run: int | None = None) -> tuple[Header, Iterator[Entry]]:
    """Return a run's header and its entries in order: the latest run, or the one numbered `run` (from 1).

    Raises ConfigError, also while iterating, if the file is no journal, or not one of this version.
    """
    header, numbered = read_numbered(path, run)
    return header, (entry for _, entry in numbered)


def read_numbered(path: Path, run: int | None = None) -> tuple[Header, Iterator[Numbered]]:
    """Like `read`, with each entry's sequence number, which runs from 0; numbers left out were lost."""
    with _reading(path) as connection:
        rows = connection.execute("SELECT run, header FROM run ORDER BY run").fetchall()
        begun = connection.execute("SELECT max(run) FROM entry").fetchone()[0]
    headers = dict(rows)
    if not headers or (run is not None and run not in headers):
        raise ConfigError(
            f"the journal has no run {run}" if headers else "the journal is empty",
            file=str(path),
            remedy=f"Its runs are numbered 1 to {len(headers)}." if headers else None,
        )
    # A gateway that could not start has left a run without entries: nobody means that one.
    chosen = (begun or max(headers)) if run is None else run
    return msgspec.json.decode(headers[chosen]), _entries(path, chosen)


def _entries(path: Path, run: int) -> Iterator[Numbered]:
    with _reading(path) as connection:
        for sequence, at_s, kind, subject, body in connection.execute(_SELECT, (run,)):
            try:
                entry = decode(at_s, kind, subject, body)
            except (msgspec.MsgspecError, ValueError, KeyError) as error:
                raise ConfigError(
                    f"entry {sequence} cannot be understood: {error}",
                    file=str(path),
                    remedy="Read it with the version of PerLLM named in its header.",
                ) from error
            yield sequence, entry


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with _explained(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            _check(connection, path)
            (damage,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if damage != "ok":
                raise sqlite3.DatabaseError(damage)
            yield connection


def _begin_run(connection: sqlite3.Connection, path: Path, header: Header) -> int:
    """Make a new file a journal, or check that it is one; then add a run to it."""
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
        connection.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
    _check(connection, path)
    # Commits are not waited for: a killed process loses nothing, a power cut at most the latest seconds.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    text = msgspec.json.encode(header, order="deterministic").decode()
    run = connection.execute("INSERT INTO run (header) VALUES (?)", (text,)).lastrowid
    assert run is not None
    return run


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID:
        raise ConfigError("this is a database, but no PerLLM journal", file=str(path), remedy="Name another file.")
    if version != SCHEMA_VERSION:
        raise ConfigError(
            f"this journal has schema {version}, but this version of PerLLM knows schema {SCHEMA_VERSION}",
            file=str(path),
            remedy="Start a new journal file, or use the version of PerLLM that wrote this one.",
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a file into what a user can do about it."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ConfigError(
            f"the journal cannot be opened: {error}",
            file=str(path),
            remedy="Check that the folder exists, that it may be written to, and that the disk is not full.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise ConfigError(
            f"this is no journal, or a damaged one: {error}", file=str(path), remedy="Name another file."
        ) from error
