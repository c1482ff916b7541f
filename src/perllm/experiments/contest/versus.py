"""Rivals against one contender in the same places, from the same seeds: who needs fewer joules, and is it sure?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from perllm.experiments.contest.estimate import Estimate, difference_estimate, paired, ratio_estimate, smaller_p
from perllm.experiments.contest.holm import holm
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.summary import Place, Summary, place_of

# A rival counts as better from so much fewer joules on.
MARGIN: Final = 0.02
SIGNIFICANCE: Final = 0.05

BySeed = Mapping[int, Row]
Figure = Callable[[Row], float | None]


class Verdict(StrEnum):
    """What may be said of a rival, beside the contender it was put against."""

    RIVAL_BETTER = "better by more than 2 %"
    RIVAL_AHEAD = "fewer joules"
    EVEN = "no sure difference"
    RIVAL_BEHIND = "more joules"
    RIVAL_MISSES = "misses a target"
    ONLY_RIVAL_MEETS = "alone meets every target"
    NEITHER_MEETS = "both miss a target"
    UNKNOWN = "too few seeds"


class Versus(Struct, frozen=True, kw_only=True):
    """A rival over a contender. `energy_ratio` is there only where every service of both meets its target.

    `p` tests that the rival needs less than 98 % of the joules for an output token in time; `p_holm` is corrected for
    all such tests made together. The other ratios are told in any case: joules of a completed request, throughput of
    completed requests, goodput of those in time, and makespan.
    """

    place: Place
    rival: str
    against: str
    energy_ratio: Estimate | None
    p: float | None
    p_holm: float | None
    request_energy_ratio: Estimate | None
    throughput_ratio: Estimate | None
    goodput_ratio: Estimate | None
    makespan_ratio: Estimate | None
    attainment_difference: Estimate | None
    verdict: Verdict


def compared(rows: Sequence[Row], summaries: Sequence[Summary], against: str) -> list[Versus]:
    """Compare every rival with one contender, wherever both played."""
    runs: dict[tuple[Place, str], dict[int, Row]] = {}
    for row in rows:
        runs.setdefault((place_of(row), row.policy), {})[row.seed] = row
    met = {(summary.place, summary.policy): summary.met for summary in summaries}
    found = []
    for place, rival in runs:
        if rival != against and (place, against) in runs:
            both = ((place, rival), (place, against))
            found.append(_versus(*both[0], against, (runs[both[0]], runs[both[1]]), (met[both[0]], met[both[1]])))
    return _corrected(found)


def _versus(place: Place, rival: str, against: str, runs: tuple[BySeed, BySeed], met: tuple[bool, bool]) -> Versus:
    def pairs(of: Figure) -> list[tuple[float, float]]:
        theirs, ours = ({seed: of(row) for seed, row in side.items()} for side in runs)
        return paired(theirs, ours)

    joules = pairs(lambda row: row.j_per_in_time_token) if all(met) else []
    ratio = ratio_estimate(joules)
    return Versus(
        place=place,
        rival=rival,
        against=against,
        energy_ratio=ratio,
        p=smaller_p(joules, 1.0 - MARGIN),
        p_holm=None,
        request_energy_ratio=ratio_estimate(pairs(lambda row: row.j_per_request)),
        throughput_ratio=ratio_estimate(pairs(lambda row: row.throughput_tokens_per_s)),
        goodput_ratio=ratio_estimate(pairs(lambda row: row.goodput_tokens_per_s)),
        makespan_ratio=ratio_estimate(pairs(lambda row: row.makespan_s)),
        attainment_difference=difference_estimate(pairs(lambda row: row.attainment)),
        verdict=_verdict(ratio, met),
    )


def _verdict(ratio: Estimate | None, met: tuple[bool, bool]) -> Verdict:
    if met != (True, True):
        return {
            (False, True): Verdict.RIVAL_MISSES,
            (True, False): Verdict.ONLY_RIVAL_MEETS,
            (False, False): Verdict.NEITHER_MEETS,
        }[met]
    if ratio is None or ratio.low is None or ratio.high is None:
        return Verdict.UNKNOWN
    if ratio.high < 1.0:
        return Verdict.RIVAL_AHEAD
    return Verdict.RIVAL_BEHIND if ratio.low > 1.0 else Verdict.EVEN


def _corrected(found: Sequence[Versus]) -> list[Versus]:
    """Correct the tests for their number, and raise the verdicts that still stand."""
    tested = [each.p for each in found if each.p is not None]
    adjusted = iter(holm(tested))
    return [each if each.p is None else _judged(each, next(adjusted)) for each in found]


def _judged(each: Versus, p_holm: float) -> Versus:
    verdict = Verdict.RIVAL_BETTER if p_holm <= SIGNIFICANCE else each.verdict
    return msgspec.structs.replace(each, p_holm=p_holm, verdict=verdict)


def conclusion(found: Sequence[Versus]) -> str:
    """Say in a sentence or two whether anybody was better, and what was not compared at all."""
    if not found:
        return "There was nobody to compare."
    against = found[0].against
    tested = sum(each.p is not None for each in found)
    better = [f"{each.rival} ({each.place})" for each in found if each.verdict is Verdict.RIVAL_BETTER]
    alone = [f"{each.rival} ({each.place})" for each in found if each.verdict is Verdict.ONLY_RIVAL_MEETS]
    told = [f"Better than {against} by more than 2 % in {tested} comparisons: {', '.join(better) or 'none'}."]
    if alone:
        told.append(f"Meeting every target where {against} misses one: {', '.join(alone)}.")
    if tested < len(found):
        told.append(f"{len(found) - tested} pairs are not compared, for want of targets met or of seeds.")
    return " ".join(told)
