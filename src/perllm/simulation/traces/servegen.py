"""Requests drawn as ServeGen describes them: many clients, each bursty in its own way, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from perllm.simulation.streams import stream
from perllm.simulation.traces.request import TraceRequest
from perllm.simulation.traces.servegen_files import WINDOW_S, ClientLengths, Window, clients_of

Values = NDArray[Any]

_AT_ONCE: Final = 4096


def draw_servegen(folder: Path, seed: int) -> Iterator[TraceRequest]:
    """Yield the requests of all clients, in order; `model` is the client. No more than one window is held."""
    clients = [_Client(name, lengths, windows, seed) for name, (lengths, windows) in clients_of(folder).items()]
    for start_s in sorted({start_s for client in clients for start_s in client.windows}):
        drawn = [(client.name, *client.draw(start_s)) for client in clients if start_s in client.windows]
        yield from _together(drawn)


class _Client:
    def __init__(self, name: str, lengths: ClientLengths, windows: Mapping[float, Window], seed: int) -> None:
        self.name = name
        self.windows = windows
        self._lengths = lengths
        self._seed = seed
        # How far, in mean gaps, the next request lies behind the window's start.
        self._ahead: float | None = None

    def draw(self, start_s: float) -> tuple[Values, Values, Values]:
        """Draw a window's instants, prompts and answers."""
        rng = stream(self._seed, f"trace/servegen/{self.name}/{start_s:.0f}")
        window = self.windows[start_s]
        ticks = self._ticks(window, rng)
        prompts, outputs = self._lengths.around(start_s)
        count = len(ticks)
        return start_s + ticks / window.rate_per_s, prompts.at(rng.random(count)), outputs.at(rng.random(count))

    def _ticks(self, window: Window, rng: Generator) -> Values:
        """Go on with the renewal process on the clock on which this window's rate is 1."""
        length = window.rate_per_s * WINDOW_S
        latest = float(window.arrivals.gaps(rng, 1)[0]) if self._ahead is None else self._ahead
        parts = [np.array([latest])]
        while latest < length:
            gaps = window.arrivals.gaps(rng, int(length - latest) + 16)
            gaps[0] += latest
            parts.append(np.cumsum(gaps))
            latest = float(parts[-1][-1])
        ticks = np.concatenate(parts)
        inside = int(np.searchsorted(ticks, length, side="left"))
        self._ahead = float(ticks[inside]) - length
        return ticks[:inside]


def _together(drawn: list[tuple[str, Values, Values, Values]]) -> Iterator[TraceRequest]:
    names = [name for name, *_ in drawn]
    client = np.repeat(np.arange(len(drawn)), [len(at_s) for _, at_s, _, _ in drawn])
    at_s, prompts, outputs = (np.concatenate([each[column] for each in drawn]) for column in (1, 2, 3))
    order = np.argsort(at_s, kind="stable")
    for first in range(0, len(order), _AT_ONCE):
        chosen = order[first : first + _AT_ONCE]
        columns = (at_s[chosen].tolist(), prompts[chosen].tolist(), outputs[chosen].tolist(), client[chosen].tolist())
        for arrival_at_s, prompt, output, number in zip(*columns, strict=True):
            yield TraceRequest(arrival_at_s, prompt, output, names[number])
