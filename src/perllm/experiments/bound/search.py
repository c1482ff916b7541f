"""The best schedule that hindsight finds: a plan changed a little at a time, each change played in the real world.

Simulated annealing over plans. A move sends a request at another instant or elsewhere, gathers neighbours so that they
are read and written together, leaves a request out, or takes one in for another. What a move changes is played again by
`bench`; joules and requests in time are the world's. A plan that serves too few pays for each one missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import exp
from typing import Final

from numpy.random import Generator

from perllm.experiments.bound.bench import Bench, Change, Sent, Spell
from perllm.experiments.bound.instance import Instance, Pair
from perllm.experiments.bound.plan import Plan, Send

# Our choice, by trial on the paper's scenario. Temperatures are shares of the joules of a mean request.
_HOTTEST: Final = 0.5
_COLDEST: Final = 0.005
_NEIGHBOURS: Final = 16
_MISSING: Final = 20.0
_JITTER_S: Final = 0.05
_CHECK_EVERY: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A plan, its joules above idle, and the weight of the requests that it serves in time."""

    plan: Plan
    joules: float
    in_time: float


Edit = Mapping[int, Send | None]
"""New sends of requests; None leaves a request out."""


class Search:
    """Improves one plan. Deterministic for a generator; `best` is the best plan seen that serves enough, if any."""

    def __init__(self, instance: Instance, attainment: float, plan: Plan, rng: Generator) -> None:
        self._rng = rng
        self._arrivals = [at_s for at_s, _ in instance.arrivals]
        self._options: dict[int, list[Pair]] = defaultdict(list)
        for pair in instance.pairs:
            self._options[pair.job].append(pair)
        self._jobs = sorted(self._options)
        self._weights = [instance.weight(row, attainment) for row in range(len(instance.arrivals))]
        self._needed = instance.needed(attainment) - 1e-9
        self._bench = Bench(instance)
        self._plan: dict[int, Send] = {}
        self._joules = self._in_time = 0.0
        self.best: Found | None = None
        plan = plan or {row: Send(self._options[row][0].machine, self._arrivals[row]) for row in self._jobs}
        self._take(self._changes({row: send for row, send in plan.items() if row in self._options}))
        self._settle(plan)
        self._price_j = _MISSING * self._mean_j()

    def run(self, moves: int, progress: Callable[[int], None] | None = None) -> None:
        """Try so many moves."""
        if not self._jobs:
            return
        hottest = _HOTTEST * self._mean_j()
        for number in range(moves):
            heat = hottest * (_COLDEST / _HOTTEST) ** (number / moves)
            self._try(self._move(), heat)
            if progress is not None and number % _CHECK_EVERY == 0:
                progress(number)

    @property
    def standing(self) -> tuple[float, float]:
        """What is missing, then the joules: the less, the better."""
        return self._missing(self._in_time), self._joules

    def prune(self) -> None:
        """Leave out who is late anyway, and whoever saves most, as long as enough are served."""
        late = set(self._plan) - {job for spells in self._bench.spells for spell in spells for job in spell.in_time}
        for row in (*sorted(late), *self._jobs):
            if row in self._plan:
                self._try({row: None}, 0.0)

    # ---- moves --------------------------------------------------------------------------------------------------

    def _move(self) -> Edit:
        row = self._jobs[self._below(len(self._jobs))]
        if row not in self._plan:
            return self._admit(row)
        choice = self._rng.random()
        if choice < 0.45:
            return {row: self._retimed(row, self._pair(row, self._plan[row].machine))}
        if choice < 0.6:
            return {row: self._retimed(row, self._any_pair(row))}
        if choice < 0.85:
            return self._gather(row)
        return {row: None} if self._in_time - self._weights[row] >= self._needed else self._swap(row)

    def _admit(self, row: int) -> Edit:
        """Take a request in, and leave a neighbour out."""
        edit: dict[int, Send | None] = {row: self._retimed(row, self._any_pair(row))}
        other = self._neighbour(row)
        if other in self._plan:
            edit[other] = None
        return edit

    def _swap(self, row: int) -> Edit:
        """Leave a request out, and take any other in that was left out."""
        out = [each for each in self._jobs if each not in self._plan]
        if not out:
            return {row: self._retimed(row, self._any_pair(row))}
        other = out[self._below(len(out))]
        return {row: None, other: self._retimed(other, self._any_pair(other))}

    def _gather(self, row: int) -> Edit:
        """Send a request and those around it that can wait so long, or were to come later, at one instant."""
        pair = self._pair(row, self._plan[row].machine)
        at_s = self._uniform(row, pair)
        edit: dict[int, Send | None] = {row: Send(pair.machine, at_s)}
        abroad = self._rng.random() < 0.3
        for other in self._around(row):
            send = self._plan.get(other)
            if send is None or (send.machine != pair.machine and not abroad):
                continue
            fits = next((each for each in self._options[other] if each.machine == pair.machine), None)
            if fits and self._arrivals[other] <= at_s <= self._latest_s(other, fits) and self._rng.random() < 0.8:
                edit[other] = Send(pair.machine, at_s)
        return edit

    def _retimed(self, row: int, pair: Pair) -> Send:
        choice, arrives_s, latest_s = self._rng.random(), self._arrivals[row], self._latest_s(row, pair)
        now = self._plan.get(row)
        if choice < 0.5:
            other = self._plan.get(self._neighbour(row))
            if other is not None and other.machine == pair.machine:
                return Send(pair.machine, min(max(other.at_s, arrives_s), latest_s))
        if choice < 0.65:
            return Send(pair.machine, arrives_s)
        if choice < 0.85 or now is None:
            return Send(pair.machine, self._uniform(row, pair))
        return Send(pair.machine, max(now.at_s + self._rng.normal(0.0, _JITTER_S), arrives_s))

    def _around(self, row: int) -> Iterable[int]:
        for other in range(max(row - _NEIGHBOURS, 0), min(row + _NEIGHBOURS, len(self._arrivals) - 1) + 1):
            if other != row:
                yield other

    def _neighbour(self, row: int) -> int:
        return min(max(row + self._below(2 * _NEIGHBOURS + 1) - _NEIGHBOURS, 0), len(self._arrivals) - 1)

    def _pair(self, row: int, machine: int) -> Pair:
        return next((pair for pair in self._options[row] if pair.machine == machine), self._options[row][0])

    def _any_pair(self, row: int) -> Pair:
        options = self._options[row]
        return options[self._below(len(options))]

    def _uniform(self, row: int, pair: Pair) -> float:
        arrives_s = self._arrivals[row]
        return arrives_s + self._rng.random() * (self._latest_s(row, pair) - arrives_s)

    def _latest_s(self, row: int, pair: Pair) -> float:
        """Return the last instant at which sending may help."""
        return self._arrivals[row] + pair.read_by_s - pair.writes_from_s

    def _below(self, count: int) -> int:
        return int(self._rng.random() * count)

    # ---- what comes of them -------------------------------------------------------------------------------------

    def _try(self, edit: Edit, heat: float) -> None:
        """Play an edit, and keep it if it saves joules, or by chance if it does not cost many."""
        if all(self._plan.get(row) == send for row, send in edit.items()):
            return
        changes = self._changes(edit)
        joules, in_time = self._gain(changes)
        missing, missing_after = self._missing(self._in_time), self._missing(self._in_time + in_time)
        cost = joules + self._price_j * (missing_after - missing)
        if cost <= 0.0 or (heat > 0.0 and self._rng.random() < exp(-cost / heat)):
            self._take(changes)
            self._settle(edit)

    def _missing(self, in_time: float) -> float:
        return max(self._needed - in_time, 0.0)

    def _changes(self, edit: Edit) -> list[Change]:
        gone: dict[int, set[Sent]] = defaultdict(set)
        new: dict[int, list[Sent]] = defaultdict(list)
        for row, send in edit.items():
            if (old := self._plan.get(row)) is not None:
                gone[old.machine].add(Sent(old.at_s, row))
            if send is not None:
                new[send.machine].append(Sent(send.at_s, row))
        return [
            self._bench.change(machine, frozenset(gone[machine]), new[machine]) for machine in sorted({*gone, *new})
        ]

    def _gain(self, changes: list[Change]) -> tuple[float, float]:
        joules = in_time = 0.0
        for change in changes:
            for sign, spells in ((1.0, change.spells), (-1.0, self._bench.before(change))):
                joules += sign * sum(spell.joules for spell in spells)
                in_time += sign * self._weight(spells)
        return joules, in_time

    def _weight(self, spells: Iterable[Spell]) -> float:
        return sum(self._weights[job] for spell in spells for job in spell.in_time)

    def _take(self, changes: list[Change]) -> None:
        joules, in_time = self._gain(changes)
        for change in changes:
            self._bench.apply(change)
        self._joules += joules
        self._in_time += in_time

    def _settle(self, edit: Edit) -> None:
        """Note what a plan is now, and whether it is the best."""
        for row, send in edit.items():
            if send is None:
                self._plan.pop(row, None)
            elif row in self._options:
                self._plan[row] = send
        if self._in_time >= self._needed and (self.best is None or self._joules < self.best.joules - 1e-9):
            self.best = Found(plan=dict(self._plan), joules=self._joules, in_time=self._in_time)

    def _mean_j(self) -> float:
        return self._joules / max(len(self._plan), 1) or 1.0
