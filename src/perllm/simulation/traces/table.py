"""Traces that are tables: columns found by their header, and fields read as numbers."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from math import inf
from operator import itemgetter
from typing import Any, Final

from perllm.errors import ConfigError
from perllm.simulation.traces.lines import Lines, shown

# A thousand times the longest context there is: what is above is no count of tokens.
_MOST_TOKENS: Final = 10**9


def rows(lines: Lines, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield these columns of every row below the header, as text, and empty text where an optional one is missing.

    Raises ConfigError naming the line.
    """
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        width = len(header)
        # A missing optional column is read from one more field, empty, at the end of every row.
        further = [header.index(name.lower()) if name.lower() in header else width for name in optional]
        pick = itemgetter(*_places(lines, header, columns), *further)
        for row in reader:
            if len(row) != width:
                raise _misshapen(lines, len(row), width)
            row.append("")
            yield pick(row)
    except csv.Error as error:
        raise lines.mistake(f"the line is no row of a table: {error}", _expected(columns)) from None


def tokens(text: str, column: str) -> int:
    """Read a count of tokens. Raises ValueError that says what is wrong with it."""
    try:
        count = int(text)
    except ValueError:
        count = _whole(text, column)
    if not 1 <= count <= _MOST_TOKENS:
        raise ValueError(f"{column} is {shown(text)}, not a whole number of 1 or more")
    return count


def number(text: str, column: str) -> float:
    """Read a finite number. Raises ValueError that says what is wrong with it."""
    try:
        value = float(text)
    except ValueError:
        value = inf
    if not -inf < value < inf:
        raise ValueError(f"{column} is {shown(text)}, not a number")
    return value


def instant(text: str, column: str) -> float:
    """Read seconds from the start of a trace. Raises ValueError that says what is wrong with them."""
    at_s = number(text, column)
    if at_s < 0.0:
        raise ValueError(f"{column} is {shown(text)}, which is negative")
    return at_s


def malformed(lines: Lines, error: ValueError, columns: Sequence[str]) -> ConfigError:
    """Make the error for a row of which a field could not be read."""
    return lines.mistake(str(error), _expected(columns))


def _places(lines: Lines, header: list[str], columns: Sequence[str]) -> list[int]:
    for column in columns:
        if column.lower() not in header:
            lines.number = max(lines.number, 1)
            raise lines.mistake(f"the column {column} is missing", _expected(columns))
    return [header.index(column.lower()) for column in columns]


def _whole(text: str, column: str) -> int:
    """Read what a table program made of a whole number: 374.0."""
    value = number(text, column)
    if value != int(value):
        raise ValueError(f"{column} is {shown(text)}, not a whole number")
    return int(value)


def _misshapen(lines: Lines, found: int, width: int) -> ConfigError:
    problem = f"the row has {found} field{'s' if found != 1 else ''}, its header {width}"
    return lines.mistake(problem, "Check whether the file was cut off.")


def _expected(columns: Sequence[str]) -> str:
    return f"Expected columns: {', '.join(columns)}."
