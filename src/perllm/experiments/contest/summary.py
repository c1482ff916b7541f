"""One contender in one world, over all seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from statistics import fmean

from msgspec import Struct

from perllm.experiments.contest.estimate import Estimate, estimate
from perllm.experiments.contest.row import Row


class Place(Struct, frozen=True, kw_only=True, order=True):
    """A world under a load, as readers name it."""

    scenario: str
    variant: str
    rate_per_s: float | None

    def __str__(self) -> str:
        """Render scenario, variant and load."""
        load = None if self.rate_per_s is None else f"{self.rate_per_s:g}/s"
        return ", ".join(part for part in (self.scenario, self.variant, load) if part)


class Share(Struct, frozen=True, kw_only=True):
    """A service's mean share in time, beside its target."""

    attainment: float | None
    target: float | None


class Summary(Struct, frozen=True, kw_only=True):
    """Means over seeds. `missed` names the services below their target: joules are compared where there are none."""

    place: Place
    policy: str
    seeds: tuple[int, ...]
    idle: str
    attainment: Estimate | None
    services: dict[str, Share]
    missed: tuple[str, ...]
    j_per_in_time_token: Estimate | None
    j_per_request: Estimate | None
    transmit_j: float
    infer_j: float
    idle_j: float
    throughput_tokens_per_s: Estimate | None
    goodput_tokens_per_s: Estimate | None
    makespan_s: Estimate | None
    latency_p50_s: Estimate | None
    latency_p95_s: Estimate | None
    latency_p99_s: Estimate | None
    refused_fraction: float
    failed_fraction: float
    tokens_by_model: dict[str, float]
    time_error: float | None
    energy_error: float | None

    @property
    def met(self) -> bool:
        return not self.missed


def place_of(row: Row) -> Place:
    """Return where a run took place."""
    return Place(scenario=row.scenario, variant=row.variant, rate_per_s=row.rate_per_s)


def summarised(rows: Sequence[Row], tolerance: float) -> list[Summary]:
    """Summarise every place and contender, in the order of their first rows.

    A service meets its target with a mean of at least the target less `tolerance`.
    """
    order: dict[tuple[Place, str], int] = {}
    for row in rows:
        order.setdefault((place_of(row), row.policy), len(order))

    def group(row: Row) -> int:
        return order[place_of(row), row.policy]

    ordered = sorted(rows, key=lambda row: (group(row), row.seed))
    return [_summary(list(same), tolerance) for _, same in groupby(ordered, key=group)]


def _summary(rows: list[Row], tolerance: float) -> Summary:
    services = {name: _share(name, rows) for name in rows[0].services}

    def over_seeds(of: Callable[[Row], float | None]) -> Estimate | None:
        return estimate([of(row) for row in rows])

    return Summary(
        place=place_of(rows[0]),
        policy=rows[0].policy,
        seeds=tuple(row.seed for row in rows),
        idle=rows[0].idle,
        attainment=over_seeds(lambda row: row.attainment),
        services=services,
        missed=tuple(name for name, share in services.items() if _misses(share, tolerance)),
        j_per_in_time_token=over_seeds(lambda row: row.j_per_in_time_token),
        j_per_request=over_seeds(lambda row: row.j_per_request),
        transmit_j=fmean(row.transmit_j for row in rows),
        infer_j=fmean(row.infer_j for row in rows),
        idle_j=fmean(row.idle_j for row in rows),
        throughput_tokens_per_s=over_seeds(lambda row: row.throughput_tokens_per_s),
        goodput_tokens_per_s=over_seeds(lambda row: row.goodput_tokens_per_s),
        makespan_s=over_seeds(lambda row: row.makespan_s),
        latency_p50_s=over_seeds(lambda row: row.latency_p50_s),
        latency_p95_s=over_seeds(lambda row: row.latency_p95_s),
        latency_p99_s=over_seeds(lambda row: row.latency_p99_s),
        refused_fraction=fmean(row.refused / row.submitted for row in rows),
        failed_fraction=fmean((row.failed + row.timed_out) / row.submitted for row in rows),
        tokens_by_model=_tokens_by_model(rows),
        time_error=mean_known([row.time_error for row in rows]),
        energy_error=mean_known([row.energy_error for row in rows]),
    )


def mean_known(values: Sequence[float | None]) -> float | None:
    """Return the mean of what is known."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _share(name: str, rows: Sequence[Row]) -> Share:
    attained = mean_known([row.services[name].attainment for row in rows])
    return Share(attainment=attained, target=rows[0].services[name].target)


def _misses(share: Share, tolerance: float) -> bool:
    return share.attainment is not None and share.target is not None and share.attainment < share.target - tolerance


def _tokens_by_model(rows: Sequence[Row]) -> dict[str, float]:
    counts: Mapping[str, float] = {model: fmean(row.tokens_by_model[model] for row in rows)
                                   for model in rows[0].tokens_by_model}  # fmt: skip
    return dict(counts)
