"""Events of the Chrome trace event format, as plain values for JSON.

The format, version 5 of "Trace Event Format" by Google: `ph` is the kind of event, `ts` and `dur` are microseconds,
`pid` and `tid` name the process and the lane. chrome://tracing and ui.perfetto.dev read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

TraceEvent = Mapping[str, Any]

_MICROSECONDS: Final = 1_000_000


def microseconds(at_s: float) -> int:
    """Return an instant in whole microseconds: what ends when another begins must do so in the file too."""
    return round(at_s * _MICROSECONDS)


def process(pid: int, name: str) -> list[TraceEvent]:
    """Name a process; processes are shown in the order of their numbers."""
    return [
        _metadata("process_name", pid, 0, {"name": name}),
        _metadata("process_sort_index", pid, 0, {"sort_index": pid}),
    ]


def thread(pid: int, tid: int, name: str) -> list[TraceEvent]:
    """Name a lane; lanes are shown in the order of their numbers."""
    return [
        _metadata("thread_name", pid, tid, {"name": name}),
        _metadata("thread_sort_index", pid, tid, {"sort_index": tid}),
    ]


def complete(
    pid: int,
    tid: int,
    name: str,
    from_s: float,
    to_s: float,
    args: Mapping[str, Any] | None = None,
    colour: str | None = None,
) -> TraceEvent:
    """Something that lasted. `colour` is one of the names that chrome://tracing knows; Perfetto colours by name."""
    ts = microseconds(from_s)
    event: dict[str, Any] = {"ph": "X", "pid": pid, "tid": tid, "ts": ts, "dur": microseconds(to_s) - ts, "name": name}
    if colour is not None:
        event["cname"] = colour
    if args is not None:
        event["args"] = args
    return event


def instant(pid: int, tid: int, name: str, at_s: float, args: Mapping[str, Any]) -> TraceEvent:
    """Something that happened, drawn on its lane alone."""
    return {"ph": "i", "s": "t", "pid": pid, "tid": tid, "ts": microseconds(at_s), "name": name, "args": args}


def counter(pid: int, name: str, at_s: float, values: Mapping[str, int]) -> TraceEvent:
    """What is counted from now on; several values are stacked."""
    return {"ph": "C", "pid": pid, "tid": 0, "ts": microseconds(at_s), "name": name, "args": values}


def _metadata(what: str, pid: int, tid: int, args: Mapping[str, Any]) -> TraceEvent:
    return {"ph": "M", "pid": pid, "tid": tid, "ts": 0, "name": what, "args": args}
