"""The held requests, in the order of their slack."""

from __future__ import annotations

from bisect import bisect_left, insort
from math import inf

from perllm.scheduling.fleet import ServerState
from perllm.scheduling.records import Key, RequestRecord


def urgency(record: RequestRecord) -> Key:
    """Order held requests: least slack first, then those past their slack, the freshest first.

    One without a requirement has slack until its timeout, so that it waits long but not in vain.
    Who is past its slack must not drag others down with it. Among them, the one whose requirement lies furthest ahead
    is the likeliest to meet it still: first come, first served would make every one of them late under overload.
    """
    if record.deadline_at_s == inf:
        return (record.arrived_at_s + record.service.timeout_s, inf, record.number)
    if record.latest_start_at_s < inf:
        return (record.latest_start_at_s, inf, record.number)
    return (inf, -record.deadline_at_s, record.number)


class HeldQueue:
    """Held requests sorted by urgency: `keys` say by which."""

    __slots__ = ("_gathered", "_records", "keys")

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._records: dict[Key, RequestRecord] = {}
        self._gathered = 0

    def __len__(self) -> int:
        return len(self.keys) + self._gathered

    def most_urgent(self, count: int) -> list[RequestRecord]:
        """Return the most urgent of the requests held now, in order."""
        return [self._records[key] for key in self.keys[:count]]

    def add(self, record: RequestRecord, latest_start_at_s: float = inf) -> None:
        """Hold a request, harmlessly until `latest_start_at_s`."""
        record.latest_start_at_s = latest_start_at_s
        record.key = urgency(record)
        insort(self.keys, record.key)
        self._records[record.key] = record

    def gather(self, record: RequestRecord, server: ServerState, loss_per_s: float) -> None:
        """Hold a request for company on its way: it is in nobody's way, and room alone is not what it waits for."""
        self.remove(record)
        server.gather(record.request.request_id, loss_per_s)
        record.awaits = server
        self._gathered += 1

    def remove(self, record: RequestRecord) -> None:
        """Take a request out, if it is there."""
        if record.awaits is not None:
            record.awaits.let_go(record.request.request_id)
            record.awaits = None
            self._gathered -= 1
        if record.key is not None:
            del self._records[record.key]
            del self.keys[bisect_left(self.keys, record.key)]
            record.key = None
