"""Files that grow while a run goes on: rows as CSV or JSON lines, and traces, gzipped where their names say so."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from perllm.errors import ConfigError

ROWS: Final = (".csv", ".jsonl")
TRACE: Final = (".json",)

# Higher levels take several times as long for a few per cent.
_GZIP_LEVEL: Final = 6
_BUFFER_BYTES: Final = 1 << 16
_ENCODER: Final = msgspec.json.Encoder()


def check_file(path: Path | None, key: str, formats: Sequence[str]) -> None:
    """Raise ConfigError where a file cannot be written to, or its name does not say one of the formats."""
    if path is None:
        return
    if _format(path) not in formats:
        allowed = " or ".join(formats)
        raise ConfigError(
            "the name does not say a format", file=str(path), key=key,
            remedy=f"Let it end in {allowed}, with .gz behind it to have it compressed.",
        )  # fmt: skip
    _check_writable(path.absolute().parent, path, key)


def check_folder(path: Path | None, key: str) -> None:
    """Make a folder if there is none. Raises ConfigError where files cannot be written into it."""
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder cannot be made: {error.strerror}"
        raise ConfigError(problem, file=str(path), key=key, remedy="Choose another.") from None
    _check_writable(path, path, key)


def _check_writable(folder: Path, path: Path, key: str) -> None:
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise ConfigError(
            "the folder does not exist or cannot be written to", file=str(path), key=key, remedy="Choose another."
        )


class RowFile:
    """Writes rows as they come; with the names of the columns, CSV has a head even without any.

    Nested values become JSON objects, or columns `outer.inner` in CSV; columns that the first row does not have are
    left out of CSV, for its head is written by then.
    """

    def __init__(self, path: Path, file: IO[bytes], columns: Sequence[str] = ()) -> None:
        self._path = path
        self._file = file
        self._table: csv.DictWriter[str] | None = None
        self._text = TextIOWrapper(file, encoding="utf-8", newline="") if _format(path) == ".csv" else None
        if columns:
            self._begin(columns)

    def __call__(self, row: msgspec.Struct) -> None:
        """Write a row."""
        if self._text is None:
            self._file.write(_ENCODER.encode(row) + b"\n")
            return
        cells = dict(_cells(msgspec.to_builtins(row)))
        if self._table is None:
            self._begin(tuple(cells))
        assert self._table is not None
        self._table.writerow(cells)

    def flush(self) -> None:
        """Hand on what is still kept here."""
        if self._text is not None:
            self._text.flush()

    def _begin(self, columns: Sequence[str]) -> None:
        if self._text is not None:
            self._table = csv.DictWriter(self._text, columns, extrasaction="ignore", lineterminator="\n")
            self._table.writeheader()


class TraceFile:
    """Writes events of a Chrome trace as they come; `about` stands beside them."""

    def __init__(self, file: IO[bytes], about: Mapping[str, Any]) -> None:
        self._file = file
        self._between = b"\n"
        file.write(b'{"displayTimeUnit": "ms", "otherData": ' + _ENCODER.encode(about) + b', "traceEvents": [')

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write an event."""
        self._file.write(self._between + _ENCODER.encode(event))
        self._between = b",\n"

    def end(self) -> None:
        """Write the end, without which it is no JSON."""
        self._file.write(b"\n]}\n")


@contextmanager
def rows_to(path: Path, key: str, columns: Sequence[str] = ()) -> Iterator[RowFile]:
    """Open a file for rows."""
    with _writing(path, key) as file:
        rows = RowFile(path, file, columns)
        try:
            yield rows
        finally:
            rows.flush()


@contextmanager
def trace_to(path: Path, key: str, about: Mapping[str, Any]) -> Iterator[TraceFile]:
    """Open a file for a trace. Also a trace that was interrupted is whole."""
    with _writing(path, key) as file:
        trace = TraceFile(file, about)
        try:
            yield trace
        finally:
            trace.end()


class _NamedFile(FileIO):
    """A file that says its name when it cannot be written: several are open at once."""

    def __init__(self, path: Path, key: str) -> None:
        self._key = key
        try:
            super().__init__(path, "w")
        except OSError as error:
            raise _unwritable(path, key, error) from None

    def write(self, chunk: Any, /) -> int:
        """Write some bytes. Raises ConfigError where that fails."""
        try:
            return super().write(chunk)
        except OSError as error:
            raise _unwritable(Path(str(self.name)), self._key, error) from None


def _unwritable(path: Path, key: str, error: OSError) -> ConfigError:
    problem = f"the file cannot be written: {error.strerror}"
    return ConfigError(problem, file=str(path), key=key, remedy="Choose another file.")


@contextmanager
def _writing(path: Path, key: str) -> Iterator[IO[bytes]]:
    with BufferedWriter(_NamedFile(path, key), _BUFFER_BYTES) as file:
        if path.suffix != ".gz":
            yield file
            return
        # Neither name nor time goes into it, so that the same run gives the same bytes.
        packed: Any = gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0)
        with BufferedWriter(packed, _BUFFER_BYTES) as plain:
            yield plain


def _format(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix


def _cells(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _cells(inner, f"{prefix}{name}.")
        elif isinstance(inner, bool):
            yield f"{prefix}{name}", "true" if inner else "false"
        else:
            yield f"{prefix}{name}", inner
