"""Where commands print: results to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from perllm.errors import ConfigError

# What a pipe or a file is given for a width, since it has none.
_PIPE_COLUMNS: Final = 120


def out() -> Console:
    """Return the console for results."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)


def err() -> Console:
    """Return the console for errors, warnings and progress."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def table(*columns: str, words: tuple[int, ...] = ()) -> Table:
    """Return an empty table: the first column and those at `words` read from the left, the others hold numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, column in enumerate(columns):
        made.add_column(column, justify="left" if place in (0, *words) else "right", header_style="dim")
    return made


def show(title: str, shown: Table) -> None:
    """Print a table under its title."""
    console = out()
    console.print(f"[bold]{title}[/bold]")
    console.print(shown)
    console.print()


def number(value: float | None) -> str:
    """Render a figure to three digits, and thousands whole."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def check_target(target: str | None, key: str = "--json") -> None:
    """Raise ConfigError where a file could not be written: better said before long work than after it."""
    folder = Path(target or "-").absolute().parent
    if target not in (None, "-") and not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise ConfigError(
            "the folder does not exist or cannot be written to", file=target, key=key, remedy="Choose another."
        )


def write_json(value: Any, target: str) -> None:
    """Write a result to a file, or to standard output for `-`. Raises ConfigError where the file cannot be written."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        problem = f"the file cannot be written: {error.strerror}"
        raise ConfigError(problem, file=target, key="--json", remedy="Choose another file.") from None
