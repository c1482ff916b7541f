"""The paper's claims beside what was measured, one line for each cell, contender and rival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from perllm.experiments.contest.estimate import Estimate
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.summary import Place, Summary
from perllm.experiments.contest.tables import UNKNOWN, Table, between, plus_minus, shares
from perllm.experiments.contest.versus import Versus, compared
from perllm.experiments.reproduce.plan import ClaimsSection

_ASIDE: Final = (3, 6, 7, 8, 11, 13, 14, 15)


class Claimed(Struct, frozen=True, kw_only=True):
    """What the paper says, and what came of it. Ratios are ours over the rival's.

    `throughput` counts tokens of completed requests, whenever they came; `goodput` those in time. `energy` is joules of
    a completed request; `fair_energy` joules of an output token in time, where both meet every target.
    """

    place: Place
    ours: str
    rival: str
    paper_throughput: float
    throughput: Estimate | None
    throughput_holds: str
    goodput: Estimate | None
    makespan: Estimate | None
    paper_energy: float
    energy: Estimate | None
    energy_holds: str
    fair_energy: Estimate | None
    attainment: Estimate | None
    attainment_holds: str
    rival_attainment: Estimate | None
    tokens_by_model: dict[str, float]
    rival_tokens_by_model: dict[str, float]


def claimed(
    rows: Sequence[Row], summaries: Sequence[Summary], ours: Sequence[str], claims: ClaimsSection
) -> list[Claimed]:
    """Hold every claim against the rows."""
    by_key = {(summary.place, summary.policy): summary for summary in summaries}
    found = []
    for rival in claims.rivals:
        for versus in compared(rows, summaries, rival):
            if versus.rival in ours:
                found.append(_claimed(versus, by_key, claims))
    places = list(dict.fromkeys(summary.place for summary in summaries))
    return sorted(found, key=lambda each: (places.index(each.place), ours.index(each.ours)))


def _claimed(versus: Versus, by_key: Mapping[tuple[Place, str], Summary], claims: ClaimsSection) -> Claimed:
    own, other = by_key[versus.place, versus.rival], by_key[versus.place, versus.against]
    throughput = claims.rivals[versus.against].throughput
    return Claimed(
        place=versus.place,
        ours=versus.rival,
        rival=versus.against,
        paper_throughput=throughput,
        throughput=versus.throughput_ratio,
        throughput_holds=holds(versus.throughput_ratio, throughput),
        goodput=versus.goodput_ratio,
        makespan=versus.makespan_ratio,
        paper_energy=claims.energy_fraction,
        energy=versus.request_energy_ratio,
        energy_holds=holds(versus.request_energy_ratio, claims.energy_fraction, at_most=True),
        fair_energy=versus.energy_ratio,
        attainment=own.attainment,
        attainment_holds=holds(own.attainment, claims.attainment),
        rival_attainment=other.attainment,
        tokens_by_model=own.tokens_by_model,
        rival_tokens_by_model=other.tokens_by_model,
    )


def holds(found: Estimate | None, claim: float, *, at_most: bool = False) -> str:
    """Say whether a claim holds: its interval decides, and where the claim lies within it, nobody knows."""
    if found is None or found.low is None or found.high is None:
        return "unknown"
    surely, never = found.low >= claim, found.high < claim
    if at_most:
        surely, never = found.high <= claim, found.low > claim
    return "yes" if surely else "no" if never else "within the interval"


def claims_table(found: Sequence[Claimed], title: str) -> Table:
    """Return the claims as a table."""
    columns = (
        "cell", "ours", "rival", "throughput: paper", "measured", "holds", "tokens/s in time", "makespan",
        "J/request: paper", "measured", "holds", "J/token in time", "in time", "rival in time", "tokens by model",
        "rival's tokens",
    )  # fmt: skip
    return Table(
        title=title, columns=columns, rows=tuple(map(_row, found)), words=(0, 1, 2, 5, 10, 14, 15), aside=_ASIDE
    )


def _row(each: Claimed) -> tuple[str, ...]:
    return (
        str(each.place),
        each.ours,
        each.rival,
        f"{each.paper_throughput:g} ×",
        between(each.throughput),
        each.throughput_holds,
        between(each.goodput),
        between(each.makespan),
        f"≤ {each.paper_energy:g}",
        between(each.energy),
        each.energy_holds,
        between(each.fair_energy),
        plus_minus(each.attainment, percent=True),
        plus_minus(each.rival_attainment, percent=True) if each.rival_attainment else UNKNOWN,
        shares(each.tokens_by_model),
        shares(each.rival_tokens_by_model),
    )
