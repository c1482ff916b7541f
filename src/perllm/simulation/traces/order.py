"""Requests in the order of their arrival, where a file has them a little out of it."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

from perllm.simulation.traces.lines import Lines
from perllm.simulation.traces.request import TraceRequest

# Our choice: what several writers of one log, or stamps taken at a request's end, put out of order.
TOLERANCE_S: Final = 1.0
# However many share a second, so many are waited for: memory stays bounded.
MOST_WAITING: Final = 10_000

_ARRIVAL: Final = attrgetter("arrival_at_s")


def in_order(requests: Iterable[TraceRequest], lines: Lines) -> Iterator[TraceRequest]:
    """Put requests in order that are late by up to a second. Raises ConfigError for one that goes back further."""
    waiting: deque[TraceRequest] = deque()
    newest_at_s = left_at_s = float("-inf")
    for request in requests:
        at_s = request.arrival_at_s
        if at_s >= newest_at_s:
            newest_at_s = at_s
            waiting.append(request)
        elif at_s < left_at_s or at_s < newest_at_s - TOLERANCE_S:
            problem = f"time goes back by {newest_at_s - at_s:g} s; up to {TOLERANCE_S:g} s is put in order"
            raise lines.mistake(problem, "Sort the file by its time.")
        else:
            insort(waiting, request, key=_ARRIVAL)
        while waiting[0].arrival_at_s < newest_at_s - TOLERANCE_S or len(waiting) > MOST_WAITING:
            ready = waiting.popleft()
            left_at_s = ready.arrival_at_s
            yield ready
    yield from waiting
