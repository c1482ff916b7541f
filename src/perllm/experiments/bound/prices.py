"""A bound without a solver: prices for steps and seconds, and every request served where it is cheapest for itself.

The program of `relaxation` couples requests by three kinds of rows, and each gets prices. Who is in a step is in it
once (y <= n): a step's fixed cost is shared among the cells of its spot, by shares that add up to 1. Steps fit into
time: a second costs `second_j`, and what there is of them is paid back. Seconds and joules lie above several planes: a
weighted mean of planes is one too. For any shares, prices and weights, what is left falls apart into requests: each is
read in its cheapest bucket and written in its cheapest ones, on its cheapest server, and the cheapest requests are
served. That sum is below the program's optimum, hence below every schedule: nothing needs to be trusted but additions.

Prices are improved by raising the shares of cells that are used, the weights of planes that bind and the price of
seconds that run out; the best bound met on the way is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from perllm.experiments.bound.grid import Floats, Grid, Idle, Places
from perllm.experiments.bound.instance import Instance
from perllm.experiments.bound.planes import Plane

ROUNDS: Final = 120
# Our choice, by trial on the paper's scenario: how fast prices move at first, how much of what was used before counts.
_SPEED: Final = 0.6
_MEMORY: Final = 0.7
_TINY: Final = 1e-300


class _Usage(NamedTuple):
    """By cell: tokens written and prompts read."""

    written: Floats
    read: Floats


def bound_by_prices(
    instance: Instance,
    grid: Grid,
    idle: Idle,
    attainment: float,
    *,
    rounds: int = ROUNDS,
    progress: Callable[[int], None] | None = None,
) -> float:
    """Return the best lower bound on joules that so many rounds of prices give, without what idling costs anyway."""
    if not instance.pairs:
        return 0.0
    prices, market = _Prices(instance, grid, idle), _Market(instance, grid, attainment)
    best_j, used = 0.0, None
    for number in range(1, rounds + 1):
        joules, usage = market.buy(prices.to_write(), prices.to_read())
        best_j = max(best_j, joules - prices.paid_back_j())
        mixed = (
            usage
            if used is None
            else _Usage(*(_MEMORY * old + (1.0 - _MEMORY) * new for old, new in zip(used, usage, strict=True)))
        )
        used = mixed
        prices.improve(mixed, _SPEED / number**0.5)
        if progress is not None:
            progress(number)
    return best_j


class _Market:
    """What requests choose at given prices."""

    def __init__(self, instance: Instance, grid: Grid, attainment: float) -> None:
        pairs = instance.pairs
        self._grid = grid
        self._job = np.array([pair.job for pair in pairs], dtype=np.intp)
        self._transmit_j = np.array([pair.transmit_j for pair in pairs])
        yields = np.array([instance.machines[pair.machine].yields for pair in pairs], dtype=bool)
        self._tokens = np.array([float(pair.tokens) for pair in pairs])
        self._yields = yields
        weights = [instance.weight(number, attainment) for number in range(len(instance.arrivals))]
        self._weights, self._needed = np.array(weights), instance.needed(attainment)
        self._first = np.searchsorted(grid.pair, np.arange(len(pairs)))

    def buy(self, to_write: Floats, to_read: Floats) -> tuple[float, _Usage]:
        """Return what the cheapest way costs, and what it uses."""
        grid = self._grid
        reading = np.where(grid.reads, to_read, np.inf)
        read_j = np.minimum.reduceat(reading, self._first)
        written, write_j = self._fill(to_write, read_j)
        costs = self._transmit_j + read_j + write_j
        shares, joules = self._serve(costs)
        at_cheapest = reading <= read_j[grid.pair]
        read = at_cheapest / np.bincount(grid.pair, at_cheapest)[grid.pair]
        share = shares[grid.pair]
        return joules, _Usage(written * share, np.where(share > 0.0, read * share, 0.0))

    def _fill(self, to_write: Floats, read_j: Floats) -> tuple[Floats, Floats]:
        """Write every pair's tokens in its cheapest cells; return tokens by cell and joules by pair.

        Where the cache may run full, reading again gives a token as well; a token that fits nowhere is free.
        """
        pair = self._grid.pair
        order = np.lexsort((to_write, pair))
        room, price = self._grid.writes[order], to_write[order]
        sums = np.cumsum(room)
        before = sums - room
        before -= before[self._first][pair]
        again = self._yields[pair] & (price >= read_j[pair])
        tokens = np.where(again, 0.0, np.clip(self._tokens[pair] - before, 0.0, room))
        joules = np.bincount(pair, tokens * price, len(read_j))
        lacking = self._yields * (self._tokens - np.bincount(pair, tokens, len(read_j)))
        written = np.empty_like(tokens)
        written[order] = tokens
        return written, joules + np.maximum(lacking, 0.0) * np.where(self._yields, read_j, 0.0)

    def _serve(self, costs: Floats) -> tuple[Floats, float]:
        """Serve the cheapest requests, the last one in part; return shares of pairs, and joules."""
        jobs = len(self._weights)
        best = np.full(jobs, np.inf)
        np.minimum.at(best, self._job, costs)
        order = np.argsort(best / np.maximum(self._weights, _TINY), kind="stable")
        before = np.cumsum(self._weights[order]) - self._weights[order]
        part = np.clip((self._needed - before) / np.maximum(self._weights[order], _TINY), 0.0, 1.0)
        served = np.empty(jobs)
        served[order] = part
        chosen = costs <= best[self._job]
        shares = chosen * served[self._job] / np.bincount(self._job, chosen, jobs)[self._job]
        finite = np.isfinite(best)
        return shares, float(np.sum(served[finite] * best[finite]))


class _Prices:
    """Shares of fixed costs, weights of planes and prices of seconds, by spot."""

    def __init__(self, instance: Instance, grid: Grid, idle: Idle) -> None:
        machines, pairs, self._grid = instance.machines, instance.pairs, grid
        at = grid.machine
        self._cells = _Cells(instance, grid)
        self._working_w = np.array(idle.working_w)[at]
        self._pace = np.array([machine.pace for machine in machines])[at]
        kinds = [(machine.kinds[0], machine.kinds[-1]) for machine in machines]
        self._seconds = [_Sides([_usable(kind[side].seconds) for kind in kinds], at) for side in (0, 1)]
        self._joules = [_Sides([_usable(kind[side].joules) for kind in kinds], at) for side in (0, 1)]
        self._second_j = np.zeros(len(at))
        # A first guess at what a second is worth: the most that any machine draws.
        self._worth_j = max(machine.server.power.decode_full_w for machine in machines)
        tokens = np.array([float(pair.tokens) for pair in pairs])[grid.pair]
        self._shares = [
            _normal(np.minimum(grid.writes, tokens) + grid.reads, grid.spot),
            _normal(grid.reads.astype(float), grid.spot),
        ]

    def paid_back_j(self) -> float:
        """Return what all seconds there are cost."""
        return float(self._second_j @ self._grid.available_s)

    def to_write(self) -> Floats:
        """Return joules per token, by cell."""
        cells, plane = self._cells, self._plane(0)
        fixed = cells.least * self._shares[0] + cells.above
        price_j: Floats = plane[0] * fixed + plane[1] * cells.weighed + plane[3] * cells.context
        return price_j

    def to_read(self) -> Floats:
        """Return joules per prompt, by cell."""
        cells = self._cells
        apart, beside = self._plane(1), self._plane(0)
        reading = np.where(cells.mixed, beside[2], apart[2]) * cells.reading_s
        shared = beside[0] * cells.least * self._shares[0] * cells.pieces
        alone = apart[0] * (cells.least * self._shares[1] + cells.above)
        price_j: Floats = reading + np.where(cells.mixed, shared, alone)
        return price_j

    def improve(self, usage: _Usage, speed: float) -> None:
        """Move prices towards where they bind."""
        cells, spot = self._cells, self._grid.spot
        beside = np.where(cells.mixed, usage.read, 0.0)
        apart = usage.read - beside
        in_steps = usage.written + beside * cells.pieces
        used_s = np.zeros(len(self._second_j))
        for side, (present, written, read) in enumerate(
            ((in_steps, usage.written, beside), (apart, np.zeros_like(apart), apart))
        ):
            amounts = self._amounts(side, present, written, read)
            used_s += self._pace * self._seconds[side].value(amounts)
            self._seconds[side].improve(amounts, speed)
            self._joules[side].improve(amounts, speed)
            most = np.zeros(len(used_s))
            np.maximum.at(most, spot, present)
            pull = np.exp(2.0 * speed * present / np.maximum(most, _TINY)[spot])
            self._shares[side] = _normal(self._shares[side] * pull, spot)
        over = used_s / np.maximum(self._grid.available_s, 1e-9) - 1.0
        self._second_j = np.maximum(self._second_j + speed * self._worth_j * np.clip(over, -1.0, 1.0), 0.0)

    def _amounts(self, side: int, present: Floats, written: Floats, read: Floats) -> Floats:
        """Return what planes multiply, by spot: steps, tokens, seconds of reading and context."""
        cells = self._cells
        driver = read if side else written
        columns = (
            cells.least * self._shares[side] * present + cells.above * driver,
            cells.weighed * written,
            cells.reading_s * read,
            cells.context * written,
        )
        spot = self._grid.spot
        return np.stack([np.bincount(spot, column, len(self._second_j)) for column in columns])

    def _plane(self, side: int) -> Floats:
        """Return the plane that joules and priced seconds make together, by cell."""
        seconds_j = self._second_j + self._working_w
        plane = self._joules[side].plane() + seconds_j * self._seconds[side].plane()
        by_cell: Floats = (self._pace * plane)[:, self._grid.spot]
        return by_cell


class _Cells:
    """What prices multiply, by cell."""

    def __init__(self, instance: Instance, grid: Grid) -> None:
        pairs, machines = instance.pairs, instance.machines
        number = np.array([pair.machine for pair in pairs], dtype=np.intp)
        least = np.array([machine.factors[0] for machine in machines])[number]
        factor = np.array([pair.factor for pair in pairs])
        exact = np.array([len(machine.kinds) > 1 and not machine.shared for machine in machines])[number]
        step = np.array([machine.server.step_tokens for machine in machines])[number]
        prompt = np.array([float(pair.prompt_tokens) for pair in pairs])
        by_pair = {
            "least": least,
            "above": (factor - least) / np.array([machine.sequences for machine in machines])[number],
            "weighed": np.where(exact, factor, least),
            "reading_s": least * np.array([pair.reading_s for pair in pairs]),
            "context": least * np.array([float(pair.context) for pair in pairs]),
            "pieces": np.maximum(prompt / step, 1.0),
        }
        columns: dict[str, Floats] = {name: values[grid.pair] for name, values in by_pair.items()}
        self.least, self.above, self.weighed = columns["least"], columns["above"], columns["weighed"]
        self.reading_s, self.context, self.pieces = columns["reading_s"], columns["context"], columns["pieces"]
        self.mixed = np.array([len(machine.kinds) == 1 for machine in machines])[number][grid.pair]


class _Sides:
    """Weighted means of planes, by spot."""

    def __init__(self, planes: list[tuple[Plane, ...]], machine: Places) -> None:
        most = max(map(len, planes))
        # Fewer planes are filled up by repeating the first.
        table = np.array([[*each, *[each[0]] * (most - len(each))] for each in planes])
        self._planes = table[machine]
        self._weights = np.full((len(machine), most), 1.0 / most)

    def plane(self) -> Floats:
        """Return the four coefficients of the mean plane, by spot."""
        mean: Floats = np.einsum("sq,sqc->cs", self._weights, self._planes)
        return mean

    def value(self, amounts: Floats) -> Floats:
        """Return what the mean plane gives."""
        values: Floats = np.einsum("cs,cs->s", self.plane(), amounts)
        return values

    def improve(self, amounts: Floats, speed: float) -> None:
        """Give more weight to planes that are higher."""
        values = np.einsum("sqc,cs->sq", self._planes, amounts)
        values /= np.maximum(values.max(axis=1, keepdims=True), _TINY)
        weights = self._weights * np.exp(2.0 * speed * values)
        self._weights = weights / weights.sum(axis=1, keepdims=True)


def _usable(planes: tuple[Plane, ...]) -> tuple[Plane, ...]:
    """Leave out planes that owe less the more steps there are; where all do, nothing is owed."""
    return tuple(plane for plane in planes if plane.step >= 0.0) or (Plane(0.0, 0.0, 0.0, 0.0),)


def _normal(shares: Floats, spot: Places) -> Floats:
    """Scale shares so that those of a spot add up to 1 at most."""
    sums = np.bincount(spot, shares)
    return shares / np.maximum(sums, _TINY)[spot]
