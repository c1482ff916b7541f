"""What was played beside what was: seconds, requirements met and joules, over all requests and one by one.

Of a quantity two errors are told. That of a percentile compares two distributions: it is what a plan is made with.
That of single requests also sees what cancels out in a distribution, and holds the noise of every single real request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from perllm.accounting.samples import percentile, ratio
from perllm.domain.action import Fate, Outcome

PERCENTS: Final = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One request that was over in both; seconds are None where it was not completed in both."""

    request_id: str
    service: str
    real_server: str | None
    played_server: str | None
    real_s: float | None
    played_s: float | None
    real_first_token_s: float | None
    played_first_token_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """How far one quantity is off. Everything is None or empty where there was nothing to compare.

    `percentile_errors` is played ÷ real − 1 for each percentile of all requests; `median_off` and `p95_off` are
    percentiles of |played ÷ real − 1| of single requests; `bias` is that of the sums.
    """

    requests: int
    real: Mapping[str, float]
    played: Mapping[str, float]
    percentile_errors: Mapping[str, float]
    bias: float | None
    median_off: float | None
    p95_off: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Both accounts. `same_server` and `same_fate` are shares of the requests that were over in both."""

    requests: int
    same_server: float | None
    same_fate: float | None
    total_s: Errors
    first_token_s: Errors
    real_attainment: float | None
    played_attainment: float | None
    real_j: float
    played_j: float
    pairs: Sequence[Pair] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return all but the single requests, ready for JSON."""
        told = asdict(self)
        del told["pairs"]
        return told


def compare(real: Mapping[str, Outcome], played: Mapping[str, Outcome]) -> Comparison:
    """Compare outcomes by request; those of one side alone are left out."""
    both = [(outcome, played[request_id]) for request_id, outcome in real.items() if request_id in played]
    pairs = [_pair(one, other) for one, other in both]
    return Comparison(
        requests=len(both),
        same_server=ratio(sum(one.server_id == other.server_id for one, other in both), len(both)),
        same_fate=ratio(sum(one.fate is other.fate for one, other in both), len(both)),
        total_s=errors_of((pair.real_s, pair.played_s) for pair in pairs),
        first_token_s=errors_of((pair.real_first_token_s, pair.played_first_token_s) for pair in pairs),
        real_attainment=_attainment(one for one, _ in both),
        played_attainment=_attainment(other for _, other in both),
        real_j=sum(one.energy.total_j for one, _ in both),
        played_j=sum(other.energy.total_j for _, other in both),
        pairs=pairs,
    )


def errors_of(values: Iterable[tuple[float | None, float | None]]) -> Errors:
    """Compare a quantity over pairs of (real, played); pairs of which one is None are left out."""
    pairs = [(real, played) for real, played in values if real is not None and played is not None]
    real, played = _percentiles([one for one, _ in pairs]), _percentiles([other for _, other in pairs])
    off = sorted(abs(other / one - 1.0) for one, other in pairs if one > 0.0)
    return Errors(
        requests=len(pairs),
        real=real,
        played=played,
        percentile_errors={name: played[name] / real[name] - 1.0 for name in real if real[name] > 0.0},
        bias=_bias(pairs),
        median_off=percentile(off, 50),
        p95_off=percentile(off, 95),
    )


def _bias(pairs: Sequence[tuple[float, float]]) -> float | None:
    return ratio(sum(other - one for one, other in pairs), sum(one for one, _ in pairs))


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    found = {f"p{percent}": percentile(ordered, percent) for percent in PERCENTS}
    return {name: value for name, value in found.items() if value is not None}


def _attainment(outcomes: Iterable[Outcome]) -> float | None:
    told = tuple(outcomes)
    return ratio(sum(outcome.in_time for outcome in told), sum(outcome.counted for outcome in told))


def _pair(real: Outcome, played: Outcome) -> Pair:
    completed = real.fate is Fate.COMPLETED and played.fate is Fate.COMPLETED

    def both(seconds: Callable[[Outcome], float | None]) -> tuple[float | None, float | None]:
        return (seconds(real), seconds(played)) if completed else (None, None)

    real_s, played_s = both(lambda outcome: outcome.finished_at_s - outcome.arrived_at_s)
    real_first_s, played_first_s = both(_first_token_s)
    return Pair(
        request_id=real.request_id,
        service=real.service,
        real_server=real.server_id,
        played_server=played.server_id,
        real_s=real_s,
        played_s=played_s,
        real_first_token_s=real_first_s,
        played_first_token_s=played_first_s,
    )


def _first_token_s(outcome: Outcome) -> float | None:
    return None if outcome.first_token_at_s is None else outcome.first_token_at_s - outcome.arrived_at_s
