"""ServeGen's files: for each client, its arrivals in every window of ten minutes and its lengths in every six hours.

github.com/alibaba/ServeGen. Rates stand in `all_clients_rates.csv` (one table with a header) or in `chunk-N-trace.csv`
of each client (no header); lengths in `chunk-N-dataset.json`, as text of Python dictionaries {length: probability}.
Clients without lengths are left out.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perllm.errors import ConfigError
from perllm.simulation.arrivals import Arrivals, Process
from perllm.simulation.traces.lines import Lines, shown
from perllm.simulation.traces.table import instant, malformed, number, rows

WINDOW_S: Final = 600.0
RATES: Final = "all_clients_rates.csv"

_COLUMNS: Final = ("client_id", "window_start_s", "rate_rps", "pattern", "pattern_arg1")
_CHUNK_COLUMNS: Final = ("timestamp", "rate", "cv", "pattern", "shape", "scale")
_PROCESSES: Final = {"Gamma": Process.GAMMA, "Weibull": Process.WEIBULL}
_DATASET: Final = re.compile(r"chunk-(\w+)-dataset\.json(?:\.gz)?")
_KINDS: Final = ("input_tokens", "output_tokens")

Values = NDArray[Any]
Texts = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How a client's requests arrive for ten minutes."""

    rate_per_s: float
    arrivals: Arrivals


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Lengths, in order, and the share of requests that are at most as long."""

    tokens: Values
    cumulative: Values

    def at(self, shares: Values) -> Values:
        """Return the quantiles at these shares, from 0 up to but without 1."""
        found: Values = self.tokens[np.searchsorted(self.cumulative, shares, side="right")]
        return found


class ClientLengths:
    """A client's lengths: each window's text is read when it is needed, and only the latest is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        texts = _texts(path)
        self._texts = {start_s: text for start_s, text in texts if all(text[kind].strip(" {}") for kind in _KINDS)}
        self._latest: tuple[float, tuple[Histogram, Histogram]] | None = None
        if not self._texts:
            raise ConfigError("no window has any lengths", file=str(path), remedy="Fetch the file again.")

    def around(self, at_s: float) -> tuple[Histogram, Histogram]:
        """Return the lengths of prompts and answers in the window that holds `at_s`, or in the nearest that has any."""
        earlier = [start_s for start_s in self._texts if start_s <= at_s]
        start_s = max(earlier) if earlier else min(self._texts)
        if self._latest is None or self._latest[0] != start_s:
            self._latest = start_s, (self._histogram(start_s, _KINDS[0]), self._histogram(start_s, _KINDS[1]))
        return self._latest[1]

    def _histogram(self, start_s: float, kind: str) -> Histogram:
        place = f"{start_s:.0f}.{kind}"
        try:
            shares = ast.literal_eval(self._texts[start_s][kind])
            # An answer of no tokens is a request that failed there.
            pairs = sorted((tokens, share) for tokens, share in shares.items() if tokens >= 1)
            tokens, weights = (np.array(column) for column in zip(*pairs, strict=True))
            cumulative = np.cumsum(weights) / np.sum(weights)
        except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
            remedy = "Expected a dictionary {length: probability, …}."
            raise ConfigError("these are no lengths", file=str(self._path), key=place, remedy=remedy) from None
        cumulative[-1] = 1.0
        return Histogram(tokens=tokens.astype(int), cumulative=cumulative)


def clients_of(folder: Path) -> dict[str, tuple[ClientLengths, dict[float, Window]]]:
    """Read every client that has both lengths and rates. Raises ConfigError where a file is not as it should be."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        remedy = "Give the folder of one model, such as m-small."
        raise ConfigError(f"the folder cannot be read: {error.strerror}", file=str(folder), remedy=remedy) from None
    datasets = {str(match[1]): path for path in found if (match := _DATASET.fullmatch(path.name))}
    windows = _windows(folder, set(datasets))
    clients = {name: (ClientLengths(path), windows[name]) for name, path in datasets.items() if windows.get(name)}
    if not clients:
        remedy = f"Expected chunk-N-dataset.json, and {RATES} or chunk-N-trace.csv; each may end in .gz."
        raise ConfigError("no client has both rates and lengths", file=str(folder), remedy=remedy)
    return clients


def _windows(folder: Path, names: set[str]) -> dict[str, dict[float, Window]]:
    windows: dict[str, dict[float, Window]] = {name: {} for name in names}
    together = _present(folder, RATES)
    if together is not None:
        for name, start_s, window in _all_rates(Lines(together)):
            if name in windows:
                windows[name][start_s] = window
        return windows
    for name in names:
        path = _present(folder, f"chunk-{name}-trace.csv")
        windows[name] = {} if path is None else dict(_chunk_rates(Lines(path)))
    return windows


def _present(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)


def _all_rates(lines: Lines) -> Iterator[tuple[str, float, Window]]:
    for name, start, rate, pattern, shape in rows(lines, _COLUMNS):
        if rate.strip() != "0":
            start_s, window = _window(lines, start, rate, pattern, shape)
            yield name, start_s, window


def _chunk_rates(lines: Lines) -> Iterator[tuple[float, Window]]:
    for row in csv.reader(lines):
        if len(row) != len(_CHUNK_COLUMNS):
            problem = f"the row has {len(row)} fields, not {len(_CHUNK_COLUMNS)}"
            raise lines.mistake(problem, f"Expected: {', '.join(_CHUNK_COLUMNS)}.")
        start, rate, _, pattern, shape, _ = row
        if rate.strip() != "0":
            yield _window(lines, start, rate, pattern, shape)


def _window(lines: Lines, start: str, rate: str, pattern: str, shape: str) -> tuple[float, Window]:
    try:
        arrivals = Arrivals(process=_process(pattern), shape=_above_zero(shape, "pattern_arg1"))
        return instant(start, "window_start_s"), Window(rate_per_s=_above_zero(rate, "rate_rps"), arrivals=arrivals)
    except ValueError as error:
        raise malformed(lines, error, _COLUMNS) from None


def _process(pattern: str) -> Process:
    if pattern not in _PROCESSES:
        raise ValueError(f"pattern is {shown(pattern)}, neither Gamma nor Weibull")
    return _PROCESSES[pattern]


def _above_zero(text: str, column: str) -> float:
    value = number(text, column)
    if value <= 0.0:
        raise ValueError(f"{column} is {shown(text)}, not above 0")
    return value


def _texts(path: Path) -> list[tuple[float, dict[str, str]]]:
    try:
        texts = msgspec.json.decode("\n".join(Lines(path)), type=Texts)
        return [(float(start), {kind: text[kind] for kind in _KINDS}) for start, text in texts.items()]
    except (msgspec.DecodeError, ValueError, KeyError):
        remedy = "Expected windows by their start second, each with input_tokens and output_tokens as text."
        raise ConfigError("this is no dataset of ServeGen", file=str(path), remedy=remedy) from None
