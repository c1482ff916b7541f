"""Which servers should be awake: as few watts as carry the requests to come, every one of them in time.

Pure: from what is believed of servers and demands to the rows that are needed. When to act on that is `powering`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf

from msgspec.structs import replace

from perllm.domain.server import Server
from perllm.scheduling.burden import Demand, Portion, alone_probability, burden_w
from perllm.scheduling.dial import shifted
from perllm.scheduling.fleet import ServerState

# A demand is dealt out in so many parts, or, where these fit nowhere, in parts that are finer by up to so much.
PARTS = 4
FINEST = 64
# In a large fleet not everybody is asked whether a part fits: those that were filled last, and so many empty ones.
MOST_LOOKS = 8
# What is let go must not be missed at the next burst: the rest must carry this much more than is expected.
SPARE_MARGIN = 1.15
# How far targets are lowered, on the logarithm of the odds, where even all servers cannot keep them: 0.97 to 0.37. Five
# rounds find out how far to within a quarter.
MOST_EASE = 4.0
EASE_ROUNDS = 5
# Where even the best server misses the target, one that comes so close to that server will do.
AS_GOOD = 0.01

# Servers that are described alike and can serve the same demands: one stands for all.
Twin = tuple[Server, tuple[bool, ...]]


class Planner:
    """Plans over the servers of one fleet."""

    def __init__(
        self,
        states: Sequence[ServerState],
        demands: Iterable[Demand],
        alone: Sequence[Mapping[int, float]] | None = None,
    ) -> None:
        self._states = states
        demands = tuple(demands)
        self._alone = alone or [{row: alone_probability(states[row], each) for row in each.rows} for each in demands]
        self._demands = [_attainable(each, alone) for each, alone in zip(demands, self._alone, strict=True)]
        self._capable = [
            frozenset(row for row in demand.rows if alone[row] >= demand.target)
            for demand, alone in zip(self._demands, self._alone, strict=True)
        ]
        self._order = sorted(range(len(self._demands)), key=lambda number: len(self._capable[number]))
        self._twins: dict[int, Twin] = {}

    def needed(self, awake: Sequence[int], asleep: Sequence[int]) -> frozenset[int]:
        """Return the rows that should be awake.

        `awake` are those that could serve soon, the dearest to keep last; `asleep` those that may be woken, the best
        first. All of them where even that is not enough.
        """
        rows, more = list(awake), list(asleep)
        if self.watts(rows) is None and self.watts([*rows, *more]) is None:
            eased = self._eased([*rows, *more])
            return frozenset((*rows, *more)) if eased is None else eased.needed(awake, asleep)
        while self.watts(rows) is None and more:
            found = self._best_addition(rows, more)
            rows.append(found)
            more.remove(found)
        return frozenset(self._shed(rows))

    def watts(self, rows: Sequence[int], margin: float = 1.0) -> float | None:
        """Return what these rows draw with all demands, less what they would draw asleep; None if they cannot serve."""
        loads: dict[int, list[Portion]] = {row: [] for row in rows}
        drawn = dict.fromkeys(rows, 0.0)
        for number in self._order:
            if not self._deal(number, loads, drawn, margin):
                return None
        return sum(drawn.values()) + sum(saved_w(self._states[row]) for row in rows)

    def _eased(self, rows: Sequence[int]) -> Planner | None:
        """Ask for as much as these rows can give, where that is less than what is asked for; None where it is little.

        Otherwise a service that nobody can serve well would keep servers awake that are no help to it.
        """
        found, low, high = None, 0.0, MOST_EASE
        for _ in range(EASE_ROUNDS):
            ease = high if found is None else (low + high) / 2
            planner = Planner(self._states, [_easier(demand, ease) for demand in self._demands], self._alone)
            if planner.watts(rows, SPARE_MARGIN) is not None:
                found, high = planner, ease
            elif found is None:
                return None
            else:
                low = ease
        return found

    def _deal(self, number: int, loads: dict[int, list[Portion]], drawn: dict[int, float], margin: float) -> bool:
        """Give out one demand, part by part, each to the server that it costs the least."""
        demand, capable = self._demands[number], [row for row in loads if row in self._capable[number]]
        if not capable:
            return self._may_wake(demand)
        left_per_s = demand.rate_per_s * margin
        part_per_s, least_per_s = left_per_s / (PARTS if len(capable) > 1 else 1), left_per_s / PARTS / FINEST
        while left_per_s > 0.0:
            part = Portion(demand, min(part_per_s, left_per_s))
            best = self._cheapest(part, capable, loads, drawn)
            if best is not None:
                row, drawn[row] = best
                loads[row].append(part)
                left_per_s -= part.rate_per_s
            elif part_per_s > least_per_s and len(capable) > 1:
                part_per_s /= 2
            else:
                return False
        return True

    def _cheapest(
        self, part: Portion, capable: Sequence[int], loads: dict[int, list[Portion]], drawn: dict[int, float]
    ) -> tuple[int, float] | None:
        best, best_w, more_w = None, 0.0, inf
        for row in self._worth_a_look(capable, loads):
            watts = burden_w(self._states[row], [*loads[row], part])
            if watts is not None and watts - drawn[row] < more_w:
                best, best_w, more_w = row, watts, watts - drawn[row]
        return None if best is None else (best, best_w)

    def _worth_a_look(self, capable: Sequence[int], loads: Mapping[int, list[Portion]]) -> list[int]:
        """Return those that have something already, and of those that have nothing one of each kind; never too many."""
        loaded = [row for row in capable if loads[row]]
        empty = self._one_of_each(row for row in capable if not loads[row])
        return loaded[-MOST_LOOKS:] + empty[:MOST_LOOKS]

    def _may_wake(self, demand: Demand) -> bool:
        """Whether some server sleeps so lightly that each of these requests may as well wake it."""
        return not demand.rows or any(wakes_in_time(self._states[row], demand) for row in demand.rows)

    def _best_addition(self, rows: Sequence[int], more: Sequence[int]) -> int:
        """Return the row with which the others draw the least, the first where one alone is not enough."""
        found = {row: self.watts([*rows, row]) for row in self._one_of_each(more)[:MOST_LOOKS]}
        enough = {row: watts for row, watts in found.items() if watts is not None}
        return min(enough, key=lambda row: enough[row]) if enough else more[0]

    def _shed(self, rows: list[int]) -> list[int]:
        """Leave out servers, the dearest first, as long as that saves watts and the others can take over.

        So many at once as went well, and twice as many the next time; of twins whose first is needed all are.
        """
        left = [row for row in sorted(rows, key=self._saved_w) if self._states[row].server.sleep is not None]
        least_w = self.watts(rows, SPARE_MARGIN) if left else None
        count = 1
        while least_w is not None and left:
            out = frozenset(left[-count:])
            watts = self.watts([row for row in rows if row not in out], SPARE_MARGIN)
            if watts is not None and watts < least_w:
                rows, left = [row for row in rows if row not in out], left[:-count]
                least_w, count = watts, 2 * count
            elif count > 1:
                count //= 2
            else:
                twin = self._twin(left[-1])
                left = [row for row in left if self._twin(row) != twin]
        return rows

    def _saved_w(self, row: int) -> float:
        return saved_w(self._states[row])

    def _one_of_each(self, rows: Iterable[int]) -> list[int]:
        """Leave out twins, but for the first of them."""
        found: dict[Twin, int] = {}
        for row in rows:
            found.setdefault(self._twin(row), row)
        return list(found.values())

    def _twin(self, row: int) -> Twin:
        twin = self._twins.get(row)
        if twin is None:
            serves = tuple(row in capable for capable in self._capable)
            twin = self._twins[row] = (replace(self._states[row].server, server_id=""), serves)
        return twin


def saved_w(state: ServerState) -> float:
    """Return the watts that sleeping saves."""
    sleep = state.server.sleep
    return 0.0 if sleep is None else max(state.server.power.idle_w - sleep.watts, 0.0)


def break_even_s(state: ServerState) -> float:
    """Return after how long asleep what waking costs has been saved: who sleeps after idling for as long never pays
    more than twice what a prophet would (the ski rental)."""
    sleep, saved = state.server.sleep, saved_w(state)
    if sleep is None or saved <= 0.0:
        return inf
    return (sleep.wake_j + sleep.wake_s * state.server.power.idle_w) / saved


def wakes_in_time(state: ServerState, demand: Demand) -> bool:
    """Whether requests are in time although they have to wake the server, and so rare that this still saves joules."""
    sleep = state.server.sleep
    if sleep is None or demand.rate_per_s * 2.0 * break_even_s(state) > 1.0:
        return False
    return alone_probability(state, demand, sleep.wake_s) >= demand.target


def _easier(demand: Demand, ease: float) -> Demand:
    return replace(demand, target=shifted(demand.target, -ease))


def _attainable(demand: Demand, alone: Mapping[int, float]) -> Demand:
    """Ask no more than the best server could give if it were empty."""
    best = max(alone.values(), default=1.0) - AS_GOOD
    return demand if demand.target <= best else replace(demand, target=best)
