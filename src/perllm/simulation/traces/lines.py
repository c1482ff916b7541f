"""The lines of a text file, plain or gzip, one at a time, and the words for what is wrong with one of them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, cast

from perllm.errors import ConfigError

_GZIP: Final = b"\x1f\x8b"
# A Mooncake line of a million tokens has about 16 kB. Far more than that is no trace, and would fill the memory.
_LONGEST_LINE_BYTES: Final = 4 * 2**20


class Lines:
    """Reads a file forward. `number` is that of the latest line, from 1; `skipped` counts rows that are no request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self.skipped = 0

    def __iter__(self) -> Iterator[str]:
        """Yield the lines that are not empty, with their ends. Raises ConfigError where one cannot be read."""
        try:
            with _opened(self.path) as file:
                yield from self._read(file)
        except FileNotFoundError:
            raise ConfigError("there is no such file", file=str(self.path), remedy="Check its name.") from None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            self.number += 1
            raise self.mistake(f"the gzip data is broken: {_lowered(error)}", "Fetch the file again.") from None
        except OSError as error:
            problem = f"the file cannot be read: {error.strerror}"
            raise ConfigError(problem, file=str(self.path), remedy="Check what it is and who may read it.") from None

    def mistake(self, problem: str, remedy: str) -> ConfigError:
        """Make the error for the latest line."""
        return ConfigError(problem, file=f"{self.path}:{self.number}", remedy=remedy)

    def _read(self, file: IO[bytes]) -> Iterator[str]:
        for number, line in enumerate(iter(partial(file.readline, _LONGEST_LINE_BYTES), b""), start=1):
            self.number = number
            if len(line) == _LONGEST_LINE_BYTES:
                raise self.mistake("the line is longer than 4 MiB", "Give a file of text with one request a line.")
            try:
                text = line.decode()
            except UnicodeDecodeError:
                raise self.mistake("the line is not UTF-8 text", "Save the file as UTF-8.") from None
            if not line.isspace():
                yield text.removeprefix("\ufeff") if number == 1 else text


def _opened(path: Path) -> IO[bytes]:
    file = path.open("rb")
    packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    if not packed:
        return file
    # GzipFile closes only what it has opened itself.
    file.close()
    return cast("IO[bytes]", gzip.open(path, "rb"))


def _lowered(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:].rstrip(".")


def shown(value: Any) -> str:
    """Show what stands in a file, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
