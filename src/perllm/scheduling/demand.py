"""How many requests of each kind to expect: rates that forget, and a look ahead along their trend."""

from __future__ import annotations

from math import exp, sqrt

from perllm.scheduling.records import Group, RequestRecord

# Memories of the two averages: the quick one follows a ramp within a minute, the slow one says what is usual.
QUICK_S = 60.0
SLOW_S = 600.0
# A jump shows within seconds: as soon as it is larger than chance makes one, by one and a half deviations.
JUMP_S = 10.0
JUMP_SD = 1.5
# Kinds of requests that have not come for so many slow memories are forgotten, and so is the least usual of too many.
FORGOTTEN_AFTER = 6.0
MOST_KINDS = 256
# The weight of the newest request in the sizes that stand for its kind: a memory of about fifty.
SIZE_WEIGHT = 0.02


class Average:
    """Arrivals per second, each counted with a weight that fades with `memory_s`."""

    __slots__ = ("_at_s", "_memory_s", "_rate", "_since_s")

    def __init__(self, memory_s: float, now_s: float) -> None:
        self._memory_s = memory_s
        self._since_s = now_s
        self._at_s = now_s
        self._rate = 0.0

    def arrive(self, now_s: float) -> None:
        """Count an arrival."""
        self._rate = self._rate * exp((self._at_s - now_s) / self._memory_s) + 1.0 / self._memory_s
        self._at_s = now_s

    def per_s(self, now_s: float) -> float:
        """Return the rate by now. What is seen only since a short while stands for all that could have been seen."""
        seen = 1.0 - exp((self._since_s - now_s) / self._memory_s)
        faded = self._rate * exp((self._at_s - now_s) / self._memory_s)
        return faded / seen if seen > 0.0 else 0.0


class Kind:
    """One kind of request: how often it comes, the latest one, and the sizes that are usual."""

    __slots__ = ("average", "last_at_s", "payload_bytes", "prompt_bytes", "record")

    def __init__(self, record: RequestRecord, since_s: float) -> None:
        self.average = Average(SLOW_S, since_s)
        self.prompt_bytes = float(record.request.prompt_bytes)
        self.payload_bytes = float(record.request.payload_bytes)
        self.hear(record)

    def hear(self, record: RequestRecord) -> None:
        """Take in an arrival."""
        request = record.request
        self.record = record
        self.last_at_s = record.arrived_at_s
        self.average.arrive(record.arrived_at_s)
        self.prompt_bytes += SIZE_WEIGHT * (request.prompt_bytes - self.prompt_bytes)
        self.payload_bytes += SIZE_WEIGHT * (request.payload_bytes - self.payload_bytes)


class Traffic:
    """The kinds of requests that come, and how many of them to expect."""

    __slots__ = ("_jump", "_quick", "_since_s", "_slow", "kinds")

    def __init__(self, now_s: float) -> None:
        self._since_s = now_s
        self._jump = Average(JUMP_S, now_s)
        self._quick = Average(QUICK_S, now_s)
        self._slow = Average(SLOW_S, now_s)
        self.kinds: dict[Group, Kind] = {}

    def hear(self, record: RequestRecord) -> None:
        """Take in an arrival."""
        self._jump.arrive(record.arrived_at_s)
        self._quick.arrive(record.arrived_at_s)
        self._slow.arrive(record.arrived_at_s)
        kind = self.kinds.get(record.group)
        if kind is None:
            self.kinds[record.group] = Kind(record, self._since_s)
        else:
            kind.hear(record)

    def growth(self, now_s: float, ahead_s: float) -> float:
        """Return what is to be expected in `ahead_s`, as a multiple of what is usual; never less than that.

        Averages lag behind a ramp by their memories, so the difference between two of them tells its slope.
        """
        quick, slow = self._quick.per_s(now_s), self._slow.per_s(now_s)
        slope = max(quick - slow, 0.0) / (SLOW_S - QUICK_S)
        jump = self._jump.per_s(now_s)
        # The deviation of a Poisson count's fading average.
        surely = jump - JUMP_SD * sqrt(jump / (2.0 * JUMP_S))
        return max(quick + slope * (QUICK_S + ahead_s), surely, slow) / slow if slow > 0.0 else 1.0

    def forget(self, now_s: float) -> None:
        """Drop the kinds that come no more."""
        for group, kind in list(self.kinds.items()):
            if now_s - kind.last_at_s > FORGOTTEN_AFTER * SLOW_S:
                del self.kinds[group]
        while len(self.kinds) > MOST_KINDS:
            del self.kinds[min(self.kinds, key=lambda group: self.kinds[group].average.per_s(now_s))]
