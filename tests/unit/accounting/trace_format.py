"""What the Chrome trace event format asks of a file, for tests of what writes one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Event = Mapping[str, Any]

COMMON = {"ph", "pid", "tid", "ts", "name"}
NUMBERS = {"pid", "tid", "ts", "dur"}
NEEDED = {"X": {"dur"}, "C": {"args"}, "i": {"s"}, "M": {"args"}}
METADATA = {"process_name": "name", "thread_name": "name", "process_sort_index": "sort_index",
            "thread_sort_index": "sort_index"}  # fmt: skip


def complaints(events: Sequence[Event]) -> list[str]:
    """Return what a reader of the format would object to."""
    found = [f"{event}: {complaint}" for event in events for complaint in _of_event(event)]
    return [*found, *_overlaps(events), *_unnamed(events)]


def _of_event(event: Event) -> Iterable[str]:
    kind = event.get("ph", "")
    if kind not in NEEDED:
        yield "unknown kind"
        return
    missing = (COMMON | NEEDED[kind]) - event.keys()
    if missing:
        yield f"lacks {missing}"
    elif any(
        type(event[key]) is not int or event[key] < 0 for key in ("ts", "pid", "tid", *NEEDED["X"] & event.keys())
    ):
        yield "instants, lengths and numbers of lanes are whole and not negative"
    elif kind == "C" and not all(type(value) is int for value in event["args"].values()):
        yield "only numbers are counted"
    elif kind == "i" and event["s"] not in "gpt":
        yield "unknown scope"
    elif kind == "M" and event["args"].keys() != {METADATA[event["name"]]}:
        yield "unknown metadata"


def _overlaps(events: Sequence[Event]) -> Iterable[str]:
    """On one lane, what begins later must end no later, or begin when the other has ended."""
    for lane in lanes(events).values():
        # A reader takes the outer of two that begin together to be the longer one.
        open_until: list[int] = []
        for event in sorted(lane, key=lambda event: (event["ts"], -event["dur"])):
            while open_until and open_until[-1] <= event["ts"]:
                open_until.pop()
            end = event["ts"] + event["dur"]
            if open_until and end > open_until[-1]:
                yield f"{event} overlaps what is on its lane"
            open_until.append(end)


def _unnamed(events: Sequence[Event]) -> Iterable[str]:
    processes = {event["pid"] for event in events if event["name"] == "process_name"}
    threads = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    for event in events:
        if event["pid"] not in processes or (event["ph"] in "Xi" and (event["pid"], event["tid"]) not in threads):
            yield f"{event} is on a lane without a name"


def lanes(events: Iterable[Event]) -> Mapping[tuple[int, int], list[Event]]:
    """Return what lasted, by process and lane."""
    found: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            found[event["pid"], event["tid"]].append(event)
    return found
