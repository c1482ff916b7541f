"""What not having chosen the best contender in hindsight had cost by when: joules, and requests not in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from perllm.experiments.contest.play import so_far
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.summary import Place, Summary, place_of

_INSTANTS: Final = 41

BySeed = Mapping[int, Row]


class Regret(Struct, frozen=True, kw_only=True):
    """Means over seeds by share of the time in which requests arrived; `best` is whom it is counted against.

    Joules and lateness are told apart: no rate of exchange between them is anybody's but the reader's.
    """

    place: Place
    policy: str
    best: str
    at_s: tuple[float, ...]
    joules: tuple[float, ...]
    missed: tuple[float, ...]


def regrets(rows: Sequence[Row], summaries: Sequence[Summary]) -> list[Regret]:
    """Return every contender's regret in every place where runs told how they came about."""
    runs: dict[Place, dict[str, dict[int, Row]]] = {}
    for row in rows:
        if row.curve:
            runs.setdefault(place_of(row), {}).setdefault(row.policy, {})[row.seed] = row
    found = []
    for place, policies in runs.items():
        best = best_in_hindsight([summary for summary in summaries if summary.place == place])
        if best in policies:
            found += [_regret(place, policy, best, of, policies[best]) for policy, of in policies.items()]
    return found


def best_in_hindsight(summaries: Sequence[Summary]) -> str:
    """Name who met every target with the fewest joules for a token in time; if nobody did, who met most."""

    def merit(summary: Summary) -> tuple[float, float]:
        joules, attained = summary.j_per_in_time_token, summary.attainment
        if summary.met and joules is not None:
            return (1.0, -joules.mean)
        return (0.0, attained.mean if attained is not None else 0.0)

    return max(summaries, key=merit).policy


def _regret(place: Place, policy: str, best: str, ours: BySeed, theirs: BySeed) -> Regret:
    seeds = sorted(ours.keys() & theirs.keys())
    # Until the first of all these runs is over: from then on there is nothing to compare.
    until_s = min(side[seed].curve[-1].to_s for side in (ours, theirs) for seed in seeds)
    at_s = np.linspace(0.0, until_s, _INSTANTS)
    joules, missed = _ahead(ours, theirs, seeds, at_s)
    return Regret(
        place=place,
        policy=policy,
        best=best,
        at_s=tuple(at_s.tolist()),
        joules=tuple(joules.tolist()),
        missed=tuple(missed.tolist()),
    )


def _ahead(ours: BySeed, theirs: BySeed, seeds: Sequence[int], at_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much ours is ahead in joules and in requests not in time, on average over seeds."""
    apart = [_cumulative(ours[seed], at_s) - _cumulative(theirs[seed], at_s) for seed in seeds]
    joules, missed = np.mean(apart, axis=0)
    return joules, missed


def _cumulative(row: Row, at_s: np.ndarray) -> np.ndarray:
    points = so_far(row.curve)
    ends_s = [0.0, *(point.to_s for point in points)]
    joules = [0.0, *(point.joules for point in points)]
    missed = [0.0, *(float(point.counted - point.in_time) for point in points)]
    return np.stack([np.interp(at_s, ends_s, joules), np.interp(at_s, ends_s, missed)])
