"""One instance bounded from below and above: the fluid program, the prices, a clairvoyant schedule, and policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from perllm.accounting.samples import ratio
from perllm.errors import ConfigError
from perllm.experiments.bound.grid import Grid, grid_of, idle_of
from perllm.experiments.bound.instance import Instance, instance_of
from perllm.experiments.bound.plan import Plan, followed, play
from perllm.experiments.bound.prices import ROUNDS, bound_by_prices
from perllm.experiments.bound.relaxation import relaxation_of
from perllm.experiments.bound.search import Search
from perllm.experiments.bound.solver import check_solver, solve
from perllm.simulation.scenario import Scenario
from perllm.simulation.streams import stream

# A program of so many cells is solved in a minute or so; prices do ten times as many in seconds.
_SOLVED_CELLS: Final = 40_000
_PRICED_CELLS: Final = 400_000


class Tell(Protocol):
    """Is told what is under way, and how far it is."""

    def __call__(self, what: str, done: int, total: int, /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of an instance.

    `moves` is how many changes of a schedule the search tries, 0 for no search; `idle` whether idle joules count, by
    the scenario's rule; `fluid` whether the linear program is solved.
    """

    attainment: float
    policies: Sequence[str] = ()
    moves: int = 20_000
    idle: bool = False
    fluid: bool = True
    bucket_s: float = 1.0


def bound(scenario: Scenario, seed: int, question: Question, tell: Tell | None = None) -> dict[str, Any]:
    """Return the result object. Raises ConfigError where the attainment is impossible or scipy is not installed."""
    told = tell or (lambda what, done, total: None)
    if question.fluid:
        check_solver()
    told("looking at the world", 0, 1)
    bounding = _Bounding(instance_of(scenario, seed), question, told)
    instance = bounding.instance
    instance.check(question.attainment)
    lower = bounding.lower(question.attainment)
    runs = {policy: followed(instance, policy) for policy in question.policies}
    policies = [bounding.beside(policy, result, lower) for policy, (result, _) in runs.items()]
    plans = {policy: plan for policy, (_, plan) in runs.items()}
    results = {policy: result for policy, (result, _) in runs.items()}
    schedule = bounding.schedule(plans, results, lower) if question.moves else None
    return {
        "scenario": scenario.name,
        "seed": seed,
        "requests": len(instance.arrivals),
        "rate_per_s": scenario.workload.rate_per_s,
        "attainment": question.attainment,
        "reachable_attainment": instance.reachable(),
        "idle": scenario.world.idle.value if question.idle else "none",
        "bucket_s": bounding.grid.bucket_s,
        "cells": len(bounding.grid.pair),
        "lower_j": lower,
        "schedule": schedule,
        "policies": policies,
    }


class _Bounding:
    """Bounds of one instance, each attainment's once."""

    def __init__(self, instance: Instance, question: Question, tell: Tell) -> None:
        self.instance = instance
        self._question = question
        self._tell = tell
        self.grid = _grid(instance, question)
        self._idle = idle_of(instance, counted=question.idle)
        self._known: dict[tuple[float, float], Mapping[str, float | None]] = {}

    def lower(self, attainment: float) -> Mapping[str, float | None]:
        """Return the lower bounds for an attainment: of the program, of prices, and the better one."""
        key = (self.instance.needed(attainment), attainment if self.instance.leavers else 0.0)
        if key not in self._known:
            self._known[key] = self._bounds(attainment)
        return self._known[key]

    def beside(self, policy: str, result: Mapping[str, Any], lower: Mapping[str, float | None]) -> dict[str, Any]:
        """Return what a policy's run took, over the bound asked for if it was in time as often, and over its own."""
        attainment, joules = result["attainment"], self._joules(result)
        own = self.lower(attainment)["best"] if attainment else None
        reaches = self._reaches(result)
        return {
            "policy": policy,
            "attainment": attainment,
            "joules": joules,
            "over_bound": ratio(joules, lower["best"] or 0.0) if reaches else None,
            "own_lower_j": own,
            "over_own_bound": ratio(joules, own or 0.0),
        }

    def schedule(
        self, plans: Mapping[str, Plan], runs: Mapping[str, Mapping[str, Any]], lower: Mapping[str, float | None]
    ) -> dict[str, Any] | None:
        """Search from the best plan; return the best schedule as the world played it, or None if none serves enough."""
        searches = {name: self._search(name, plan) for name, plan in (plans or {"nothing": {}}).items()}
        name = min(searches, key=lambda each: searches[each].standing)
        moves = self._question.moves
        searches[name].run(moves, lambda done: self._tell("searching for a schedule", done, moves))
        found = [(search.best, start) for start, search in searches.items() if search.best is not None]
        played = [
            (start, play(self.instance, best.plan)) for best, start in sorted(found, key=lambda each: each[0].joules)
        ]
        # Where servers share an uplink, or others are on them, what was played apart may come out otherwise together:
        # the world's own word counts, and a policy's run is a schedule as well.
        reaching = [each for each in (*played[:1], *runs.items()) if self._reaches(each[1])]
        if not reaching:
            return None
        start, result = min(reaching, key=lambda each: self._joules(each[1]))
        return self._found(result, start, lower)

    def _search(self, name: str, plan: Plan) -> Search:
        rng = stream(self.instance.seed, f"bound/search/{name}")
        search = Search(self.instance, self._question.attainment, plan, rng)
        search.prune()
        return search

    def _found(self, result: Mapping[str, Any], start: str, lower: Mapping[str, float | None]) -> dict[str, Any]:
        joules = self._joules(result)
        return {
            "joules": joules,
            "attainment": result["attainment"],
            "started_from": start,
            "moves": self._question.moves,
            "over_bound": ratio(joules, lower["best"] or 0.0),
        }

    def _bounds(self, attainment: float) -> dict[str, float | None]:
        constant_j = self._idle.constant_j
        priced_j = constant_j + bound_by_prices(
            self.instance,
            self.grid,
            self._idle,
            attainment,
            progress=lambda done: self._tell("finding prices", done, ROUNDS),
        )
        fluid_j = None
        if self._question.fluid and self.instance.pairs:
            self._tell(f"solving the fluid program at {attainment:.1%}", 0, 1)
            solution = solve(relaxation_of(self.instance, self.grid, self._idle, attainment).program)
            if solution is None:
                raise ConfigError(
                    f"no schedule is in time for {attainment:.2%} of these requests: not even parts of them fit",
                    key="--attainment",
                    remedy="Ask for less, or for a lower --rate.",
                )
            fluid_j = constant_j + solution.certified
        return {"fluid": fluid_j, "prices": priced_j, "best": max(priced_j, fluid_j or 0.0)}

    def _reaches(self, result: Mapping[str, Any]) -> bool:
        return (result["attainment"] or 0.0) >= self._question.attainment - 1e-9

    def _joules(self, result: Mapping[str, Any]) -> float:
        energy = result["energy_j"]
        return float(energy["total"] if self._question.idle else energy["transmit"] + energy["infer"])


def _grid(instance: Instance, question: Question) -> Grid:
    """Cut time into buckets, twice as long as asked for until the problem is small enough."""
    most = _SOLVED_CELLS if question.fluid else _PRICED_CELLS
    bucket_s, span_s = question.bucket_s, sum(pair.to_s - pair.from_s for pair in instance.pairs)
    while span_s / bucket_s + len(instance.pairs) > most and bucket_s < span_s:
        bucket_s *= 2.0
    return grid_of(instance, bucket_s)
