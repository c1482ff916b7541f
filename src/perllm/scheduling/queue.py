"""The held requests, in the order of their slack."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from math import inf

from perllm.scheduling.records import Key, RequestRecord


def urgency(record: RequestRecord) -> Key:
    """Order held requests: least slack first; then those past their slack, freshest first; then those without any.

    Who is past its slack must not drag others down with it. Among them, the one whose requirement lies furthest ahead
    is the likeliest to meet it still: first come, first served would make every one of them late under overload.
    """
    if record.latest_start_at_s < inf or record.deadline_at_s == inf:
        return (record.latest_start_at_s, inf, record.number)
    return (inf, -record.deadline_at_s, record.number)


class HeldQueue:
    """Held requests sorted by urgency."""

    __slots__ = ("_keys", "_records")

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._records: dict[Key, RequestRecord] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[RequestRecord]:
        """Walk over the requests held now, most urgent first; the queue may change meanwhile."""
        return iter([self._records[key] for key in self._keys])

    def add(self, record: RequestRecord, latest_start_at_s: float = inf) -> None:
        """Hold a request, harmlessly until `latest_start_at_s`."""
        record.latest_start_at_s = latest_start_at_s
        record.key = urgency(record)
        insort(self._keys, record.key)
        self._records[record.key] = record

    def remove(self, record: RequestRecord) -> None:
        """Take a request out, if it is there."""
        if record.key is not None:
            del self._records[record.key]
            del self._keys[bisect_left(self._keys, record.key)]
            record.key = None
