"""Sinks that keep entries in a journal file: one that never keeps its caller waiting, one that never loses an entry."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Event, Thread

from perllm.domain.entry import Entry
from perllm.errors import ConfigError
from perllm.journal.header import Header
from perllm.journal.store import JournalFile, Numbered

FLUSH_S = 0.5
# About half a minute of a busy gateway, and some tens of megabytes.
MAX_PENDING = 20_000
# Small enough that a rejected batch is cheap to try again, large enough that commits cost little.
BATCH = 1_000


class JournalWriter:
    """Write entries from a thread of its own: for a gateway, whose event loop must not wait for a disk.

    Where the disk cannot follow, at most `max_pending` entries wait and further ones are dropped and counted;
    what the disk refuses (full, read-only) is tried again. The file shows gaps as missing sequence numbers.
    `on_failure` is told each new problem once, from the writer's thread.
    """

    def __init__(
        self,
        path: Path,
        header: Header,
        *,
        explanations: bool = True,
        flush_s: float = FLUSH_S,
        max_pending: int = MAX_PENDING,
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        self._file = JournalFile(path, header, explanations=explanations)
        self._flush_s = flush_s
        self._max_pending = max_pending
        self._on_failure = on_failure
        self._sequence = count()
        self._pending: deque[Numbered] = deque()
        self._batch: list[Numbered] = []
        self._awake = Event()
        self._urgent = Event()
        self._closing = Event()
        self._overflowed = 0
        self._unwritable = 0
        self._last_failure: str | None = None
        self.written = 0
        self.failures = 0
        self._thread = Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Entries that will never be in the file."""
        return self._overflowed + self._unwritable

    def __call__(self, entry: Entry) -> None:
        """Take an entry; it is in the file within about `flush_s`."""
        numbered = (next(self._sequence), entry)
        waiting = len(self._pending)
        if waiting >= self._max_pending or self._closing.is_set():
            self._overflowed += 1
            return
        self._pending.append(numbered)
        if not self._awake.is_set():
            self._awake.set()
        if waiting >= self._max_pending // 2:
            self._urgent.set()

    def close(self) -> None:
        """Write what is pending and let go of the file: blocks that long. Entries that come later are dropped."""
        self._closing.set()
        self._urgent.set()
        self._awake.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closing.is_set():
            self._awake.wait()
            self._urgent.wait(self._flush_s)
            self._awake.clear()
            self._urgent.clear()
            if not self._flush():
                self._awake.set()
                self._closing.wait(self._flush_s)
        self._flush()
        self._unwritable += len(self._batch) + len(self._pending)
        self._file.close()

    def _flush(self) -> bool:
        """Write all that is pending; False where the disk refused and trying again may help."""
        while self._fill_batch():
            try:
                faults = self._file.append(self._batch)
            except sqlite3.OperationalError as error:
                self._fail(str(error))
                return False
            except sqlite3.Error as error:
                faults = [str(error)] * len(self._batch)
            for fault in faults:
                self._fail(fault)
            self._unwritable += len(faults)
            self.written += len(self._batch) - len(faults)
            self._batch = []
        return True

    def _fill_batch(self) -> bool:
        while self._pending and len(self._batch) < BATCH:
            self._batch.append(self._pending.popleft())
        return bool(self._batch)

    def _fail(self, message: str) -> None:
        self.failures += 1
        if self._on_failure is not None and message != self._last_failure:
            self._on_failure(message)
        self._last_failure = message


class BlockingWriter:
    """Write entries in the caller's thread, losing none: for simulations, which nobody waits for.

    Raises ConfigError where the file cannot take an entry.
    """

    def __init__(self, path: Path, header: Header, *, explanations: bool = True) -> None:
        self._path = path
        self._file = JournalFile(path, header, explanations=explanations)
        self._sequence = count()
        self._batch: list[Numbered] = []

    def __call__(self, entry: Entry) -> None:
        """Take an entry."""
        self._batch.append((next(self._sequence), entry))
        if len(self._batch) >= BATCH:
            self._flush()

    def close(self) -> None:
        """Write what is pending and let go of the file."""
        try:
            self._flush()
        finally:
            self._file.close()

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        try:
            faults = self._file.append(batch)
        except sqlite3.Error as error:
            faults = [str(error)]
        if faults:
            raise ConfigError(
                f"the journal cannot be written: {faults[0]}",
                file=str(self._path),
                remedy="Check that the disk is not full.",
            )
