"""The largest rate at which a contender keeps the asked-for share in time: of every seed, and of all together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, median
from typing import Final

import msgspec
from msgspec import Struct

from perllm.experiments.contest.bisection import NEAR, RUNG, Search, rate_at, step_near
from perllm.experiments.contest.cell import Cell, World
from perllm.experiments.contest.estimate import Estimate, estimate, paired, ratio_estimate
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.summary import mean_known
from perllm.experiments.contest.tables import UNKNOWN, Table, between, digits, plus_minus, shares

NOTE: Final = (
    "A rate holds where the share in time is as asked on average over all seeds; the bracket's ends lie"
    f" {RUNG - 1.0:.0%} apart. Beside it, with their ratio, stands the same search for each seed alone, with a 95 % t"
    " interval, and ratios paired by seed (geometric means). Services are told the asked-for share as their target. A"
    " seed gives the same arrivals, scaled, and the same requests at every rate and to every contender."
)

Drive = Callable[[Iterable[Cell], Callable[[Cell, Row], Iterable[Cell]]], None]


class Question(Struct, frozen=True, kw_only=True):
    """The share asked for, of all requests together or (`every_service`) of each service's."""

    world: World
    attainment: float
    every_service: bool
    start_per_s: float


class Bracket(Struct, frozen=True, kw_only=True):
    """The last rate that holds and the next, which does not. None: no rate tried held, or none failed."""

    holds_per_s: float | None
    fails_per_s: float | None
    attainment: float | None
    attainment_beyond: float | None
    tokens_by_model: dict[str, float]


class Capacity(Struct, frozen=True, kw_only=True):
    """One contender's capacity: of all seeds together, and of each alone; ratios are over whom it is put against."""

    policy: str
    together: Bracket
    ratio_together: float | None
    by_seed: dict[int, float | None]
    per_seed: Estimate | None
    ratio: Estimate | None


class Hunt:
    """One search: of one contender, over the mean of some seeds."""

    def __init__(self, question: Question, policy: str, seeds: Sequence[int], search: Search) -> None:
        self._question = question
        self._policy = policy
        self._seeds = tuple(seeds)
        self.search = search
        self._rows: dict[int, list[Row]] = {}

    def cells(self) -> list[Cell]:
        """Return what must be run next."""
        if self.search.step is None:
            return []
        world = msgspec.structs.replace(self._question.world, rate_per_s=rate_at(self.search.step))
        return [Cell(world=world, policy=self._policy, seed=seed) for seed in self._seeds]

    def take(self, row: Row) -> list[Cell]:
        """Take in a run; once all seeds are in, say what must be run next."""
        step = self.search.step
        assert step is not None
        rows = self._rows.setdefault(step, [])
        rows.append(row)
        if len(rows) < len(self._seeds):
            return []
        rows.sort(key=lambda each: each.seed)
        self.search.tell(attained(rows, self._question.every_service) >= self._question.attainment)
        return self.cells()

    def bracket(self) -> Bracket:
        """Return what was found."""
        holds_at, fails_at = self.search.holds_at, self.search.fails_at
        held, failed = ([] if step is None else self._rows[step] for step in (holds_at, fails_at))
        every = self._question.every_service
        models = [row.tokens_by_model for row in held]
        return Bracket(
            holds_per_s=None if holds_at is None else rate_at(holds_at),
            fails_per_s=None if fails_at is None else rate_at(fails_at),
            attainment=attained(held, every) if held else None,
            attainment_beyond=attained(failed, every) if failed else None,
            tokens_by_model={model: fmean(of[model] for of in models) for model in models[0]} if models else {},
        )


def attained(rows: Sequence[Row], every_service: bool) -> float:
    """Return the mean share in time, or that of the service that has the lowest."""
    if not every_service:
        return mean_known([row.attainment for row in rows]) or 0.0
    means = (mean_known([row.services[name].attainment for row in rows]) for name in rows[0].services)
    return min((mean for mean in means if mean is not None), default=0.0)


def capacities(
    question: Question, policies: Sequence[str], seeds: Sequence[int], against: str, drive: Drive
) -> list[Capacity]:
    """Search for every contender. `drive` runs cells and those that follow from them."""
    start = step_near(question.start_per_s)
    alone = {(policy, seed): Hunt(question, policy, [seed], Search(start)) for policy in policies for seed in seeds}
    _hunt(alone, drive)
    rates = {policy: {seed: alone[policy, seed].bracket().holds_per_s for seed in seeds} for policy in policies}
    near = {policy: _middle(list(rates[policy].values()), start) for policy in policies}
    together = {policy: Hunt(question, policy, seeds, Search(near[policy], NEAR, start)) for policy in policies}
    _hunt({(policy, seed): together[policy] for policy in policies for seed in seeds}, drive)
    brackets = {policy: hunt.bracket() for policy, hunt in together.items()}
    return [
        Capacity(
            policy=policy,
            together=brackets[policy],
            ratio_together=_over(brackets[policy], None if policy == against else brackets.get(against)),
            by_seed=rates[policy],
            per_seed=estimate(list(rates[policy].values())),
            ratio=None if policy == against else ratio_estimate(paired(rates[policy], rates.get(against, {}))),
        )
        for policy in policies
    ]


def _hunt(hunts: dict[tuple[str, int], Hunt], drive: Drive) -> None:
    first = [cell for hunt in dict.fromkeys(hunts.values()) for cell in hunt.cells()]
    drive(first, lambda cell, row: hunts[cell.policy, cell.seed].take(row))


def _over(one: Bracket, other: Bracket | None) -> float | None:
    if other is None or one.holds_per_s is None or other.holds_per_s is None:
        return None
    return one.holds_per_s / other.holds_per_s


def _middle(rates: Sequence[float | None], otherwise: int) -> int:
    known = [rate for rate in rates if rate is not None]
    return step_near(median(known)) if known else otherwise


def capacity_table(found: Sequence[Capacity], title: str, against: str) -> Table:
    """Return the table of all contenders."""
    columns = (
        "contender", "holds at", "fails at", "in time there", f"÷ {against}", "of each seed", f"÷ {against}",
        "tokens by model",
    )  # fmt: skip
    return Table(title=title, columns=columns, rows=tuple(map(_row, found)), words=(0, 7), aside=(3,))


def _row(capacity: Capacity) -> tuple[str, ...]:
    bracket = capacity.together
    attained_there = [
        UNKNOWN if share is None else f"{share:.2%}" for share in (bracket.attainment, bracket.attainment_beyond)
    ]
    return (
        capacity.policy,
        *(UNKNOWN if rate is None else f"{digits(rate)}/s" for rate in (bracket.holds_per_s, bracket.fails_per_s)),
        " / ".join(attained_there),
        UNKNOWN if capacity.ratio_together is None else f"{capacity.ratio_together:.3f}",
        plus_minus(capacity.per_seed),
        between(capacity.ratio),
        shares(bracket.tokens_by_model),
    )
