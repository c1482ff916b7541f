"""Nested values as the columns of one CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec


def write_csv(path: Path, values: Sequence[msgspec.Struct]) -> None:
    """Write a line for each value; columns are all that any of them has, in the order in which they turn up."""
    lines = [dict(_cells(msgspec.to_builtins(value))) for value in values]
    columns = dict.fromkeys(column for line in lines for column in line)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(columns), lineterminator="\n")
        table.writeheader()
        table.writerows(lines)


def _cells(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _cells(inner, f"{prefix}{name}.")
        elif isinstance(inner, list | tuple):
            yield f"{prefix}{name}", " ".join(str(item) for item in inner)
        else:
            yield f"{prefix}{name}", inner
