"""Tell sinks the fleet as it really is, where entries hold what is believed of it."""

from __future__ import annotations

from collections.abc import Sequence

from perllm.domain.entry import Entry, EventKind, Fleet
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.journal.recording import Sink


def truthful(sink: Sink, servers: Sequence[Server], services: Sequence[Service]) -> Sink:
    """Return the sink behind a filter: it has heard of these servers, and hears of no others."""
    sink(Entry(0.0, EventKind.CONFIGURE, "", Fleet(servers=servers, services=services), ()))

    def told(entry: Entry) -> None:
        if entry.kind is not EventKind.CONFIGURE:
            sink(entry)

    return told
