"""The held requests, in the order of their slack."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from math import inf

from perllm.scheduling.records import RequestRecord

Key = tuple[float, float, int]


def urgency(record: RequestRecord) -> Key:
    """Order held requests: least slack first; then those past their slack, the freshest first; then those without.

    Who is past its slack must not drag others down with it, and among them the one whose requirement lies furthest ahead
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
        key = urgency(record)
        insort(self._keys, key)
        self._records[key] = record

    def remove(self, record: RequestRecord) -> None:
        """Take a request out, if it is there."""
        key = urgency(record)
        if self._records.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]
