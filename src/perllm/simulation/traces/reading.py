"""From a path to requests in order: what layout it has, and the reader for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from perllm.simulation.traces import azure, burstgpt, vidur
from perllm.simulation.traces.lines import Lines
from perllm.simulation.traces.mooncake import read_mooncake
from perllm.simulation.traces.order import in_order
from perllm.simulation.traces.request import Layout, TraceRequest
from perllm.simulation.traces.servegen import draw_servegen
from perllm.simulation.traces.servegen_files import RATES

Reader = Callable[[Lines], Iterator[TraceRequest]]

# ServeGen's is a folder, not lines that are requests.
READERS: Final[Mapping[Layout, Reader]] = {
    Layout.AZURE: azure.read_azure,
    Layout.BURSTGPT: burstgpt.read_burstgpt,
    Layout.MOONCAKE: read_mooncake,
    Layout.VIDUR: vidur.read_vidur,
}
_HEADERS: Final = {
    Layout.AZURE: azure.COLUMNS,
    Layout.BURSTGPT: burstgpt.COLUMNS,
    Layout.VIDUR: vidur.COLUMNS,
}


def read_trace(path: Path, layout: Layout | None = None, seed: int = 0) -> Iterator[TraceRequest]:
    """Yield a trace's requests in the order of their arrival, holding no more than a second of them.

    Only ServeGen's description has anything to draw from `seed`. Raises ConfigError, naming file and line, for the
    first that is malformed.
    """
    layout = layout or layout_of(path)
    if layout is Layout.SERVEGEN:
        return draw_servegen(path if path.is_dir() else path.parent, seed)
    lines = Lines(path)
    return in_order(READERS[layout](lines), lines)


def layout_of(path: Path) -> Layout:
    """Tell the layout from the first line. Raises ConfigError where it is none that is known."""
    if path.is_dir() or path.name.removesuffix(".gz") == RATES:
        return Layout.SERVEGEN
    lines = Lines(path)
    first = next(iter(lines), "")
    if first.lstrip().startswith("{"):
        return Layout.MOONCAKE
    columns = {name.strip().lower() for name in first.split(",")}
    best = max(_HEADERS, key=lambda layout: len(columns & _lowered(layout)))
    # One name of three may be missing or misspelt: its reader says which.
    if len(columns & _lowered(best)) < 2:
        lines.number = max(lines.number, 1)
        raise lines.mistake("this is the first line of no layout that is known", _remedy())
    return best


def _lowered(layout: Layout) -> set[str]:
    return {column.lower() for column in _HEADERS[layout]}


def _remedy() -> str:
    headers = "; ".join(f"{layout.value}: {','.join(columns)}" for layout, columns in _HEADERS.items())
    return f"Known: {headers}; mooncake: a JSON object a line; servegen: a folder."
