"""The result object: totals as plain values, ready for JSON. What is not known is None, never NaN."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from perllm.accounting.samples import ratio, summarise
from perllm.accounting.tally import PredictionTally, ServerTally, ServiceTally
from perllm.accounting.totals import Totals
from perllm.domain.action import Fate
from perllm.domain.energy import EnergyMethod
from perllm.domain.service import Service

# From what a meter said to what somebody wrote down: of a mixture the least certain is told.
_LEAST_CERTAIN_FIRST = (EnergyMethod.DECLARED, EnergyMethod.MODELLED, EnergyMethod.MEASURED)


def render(totals: Totals) -> dict[str, Any]:
    """Return requests, services, joules, seconds, tokens, prediction errors and servers.

    Seconds and `throughput_tokens_per_s` are those of completed requests, `goodput_tokens_per_s` of those in
    time. `makespan_s` runs from the first arrival to the last end.
    """
    services, makespan_s = totals.services.values(), totals.makespan_s
    return {
        "requests": _requests(services),
        "attainment": _attainment(services),
        "services": {name: _service(tally, totals.terms.get(name)) for name, tally in totals.services.items()},
        "energy_j": _energy(totals),
        "latency_s": summarise(_pooled(service.latency_s for service in services)),
        "first_token_s": summarise(_pooled(service.first_token_s for service in services)),
        "throughput_tokens_per_s": ratio(sum(service.output_tokens for service in services), makespan_s),
        "goodput_tokens_per_s": ratio(sum(service.in_time_tokens for service in services), makespan_s),
        "makespan_s": makespan_s,
        "prediction_error": _prediction_error(totals.total_s) | _prediction_error(totals.energy_j, "energy_"),
        "servers": {server_id: _server(tally) for server_id, tally in totals.servers.items()},
    }


def _requests(services: Iterable[ServiceTally]) -> dict[str, int]:
    tallies = tuple(services)
    return {
        "submitted": sum(tally.submitted for tally in tallies),
        "completed": sum(tally.fates[Fate.COMPLETED] for tally in tallies),
        "in_time": sum(tally.in_time for tally in tallies),
        "refused": sum(tally.fates[Fate.REFUSED] for tally in tallies),
        "failed": sum(tally.fates[Fate.FAILED] for tally in tallies),
        "timed_out": sum(tally.fates[Fate.TIMED_OUT] for tally in tallies),
        "cancelled": sum(tally.fates[Fate.CANCELLED] for tally in tallies),
    }


def _attainment(services: Iterable[ServiceTally]) -> float | None:
    """Share in time of finished requests, less those whose client left before the requirement had passed."""
    tallies = tuple(services)
    return ratio(sum(tally.in_time for tally in tallies), sum(tally.counted for tally in tallies))


def _service(tally: ServiceTally, terms: Service | None) -> dict[str, Any]:
    return {
        **_requests((tally,)),
        "requirement": None if terms is None else _requirement(terms),
        "attainment": _attainment((tally,)),
        "target": None if terms is None else terms.attainment,
        "latency_s": summarise(tally.latency_s),
        "first_token_s": summarise(tally.first_token_s),
        "output_tokens": tally.output_tokens,
    }


def _requirement(terms: Service) -> Mapping[str, float | None]:
    return {"total_s": terms.requirement.total_s, "first_token_s": terms.requirement.first_token_s}


def _energy(totals: Totals) -> dict[str, Any]:
    """Return joules by account. `per_request` divides by completed requests, whoever caused the joules."""
    total_j = totals.transmit_j + totals.infer_j + totals.idle_j
    in_time_tokens = sum(service.in_time_tokens for service in totals.services.values())
    return {
        "transmit": float(totals.transmit_j),
        "infer": float(totals.infer_j),
        "idle": float(totals.idle_j),
        "total": float(total_j),
        "per_request": ratio(total_j, totals.of_fate(Fate.COMPLETED)),
        "per_in_time_token": ratio(total_j, in_time_tokens),
        "method": _method(totals.servers.values()),
        "unmetered_attempts": sum(server.unmetered_attempts for server in totals.servers.values()),
    }


def _method(servers: Iterable[ServerTally]) -> str | None:
    methods = set(chain.from_iterable(server.methods for server in servers))
    return next((method.value for method in _LEAST_CERTAIN_FIRST if method in methods), None)


def _prediction_error(tally: PredictionTally, prefix: str = "") -> dict[str, float | None]:
    return {
        f"{prefix}median_absolute_fraction": tally.median_absolute_fraction,
        f"{prefix}bias_fraction": tally.bias_fraction,
    }


def _server(tally: ServerTally) -> dict[str, Any]:
    return {
        "tier": tally.server.tier.value,
        "attempts": tally.attempts,
        "completed": tally.completed,
        "failed": tally.failed,
        "output_tokens": tally.output_tokens,
        "transmit_j": float(tally.transmit_j),
        "infer_j": float(tally.infer_j),
        "idle_j": float(tally.idle.joules),
    }


def _pooled(groups: Iterable[array[float]]) -> Iterable[float]:
    return chain.from_iterable(groups)
