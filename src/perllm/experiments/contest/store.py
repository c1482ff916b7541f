"""Finished runs on disk, one line each: what is there need not be run again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from perllm.errors import ConfigError
from perllm.experiments.contest.cell import Cell
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.scene import key_of

_NAME: Final = "runs.jsonl"
_DECODER: Final = msgspec.json.Decoder(Row)


class Store:
    """The runs in a folder. A line that a killed process left unfinished is cut off; no other is ever removed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _NAME
        self._rows: dict[str, Row] = {}
        self._others: dict[tuple[object, ...], int] = {}
        if self.path.exists():
            self._read()

    def find(self, cell: Cell) -> Row | None:
        """Return the cell's run, if it was made of the same world by the same code; its names are the cell's."""
        row = self._rows.get(key_of(cell))
        return None if row is None else msgspec.structs.replace(row, variant=cell.world.variant)

    def outdated(self, cell: Cell, scenario: str) -> bool:
        """Say whether there is a run of this name, but of another world or by other code."""
        world = cell.world
        name = (scenario, world.variant, world.rate_per_s, cell.policy, cell.seed)
        return self.find(cell) is None and name in self._others

    def append(self, row: Row) -> None:
        """Keep a run. One write: a line is there, or it is not."""
        line = msgspec.json.encode(row) + b"\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line)
        except OSError as error:
            raise ConfigError(f"the run cannot be kept: {error.strerror}", file=str(self.path)) from None
        finally:
            os.close(handle)
        self._take(row)

    def _read(self) -> None:
        text = self.path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if len(whole) < len(text):
            os.truncate(self.path, len(whole))
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self._take(_DECODER.decode(line))
            except msgspec.DecodeError as error:
                raise ConfigError(
                    f"this is no run: {error}", file=f"{self.path}:{number}", remedy="Remove the line, or the file."
                ) from None

    def _take(self, row: Row) -> None:
        self._rows.setdefault(row.key, row)
        for rate_per_s in (row.rate_per_s, None):
            name = (row.scenario, row.variant, rate_per_s, row.policy, row.seed)
            self._others[name] = self._others.get(name, 0) + 1
