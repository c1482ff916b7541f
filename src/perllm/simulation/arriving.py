"""What arrives, chunk after chunk: instants, services and lengths, drawn from distributions or taken from a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any

import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from perllm.errors import ConfigError, InvariantError
from perllm.simulation.arrivals import Instants, merged
from perllm.simulation.lengths import LengthModel
from perllm.simulation.scenario import TraceSource, Workload
from perllm.simulation.streams import stream
from perllm.simulation.token_draws import TokenDraws
from perllm.simulation.traces.reading import read_trace

Values = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """Some requests that follow one another. `kinds` are places in the workload's loads."""

    at_s: Values
    kinds: Values
    prompt_tokens: Values
    output_tokens: Values
    sessions: Iterable[str | None]
    blocks: Iterable[tuple[int, ...]]


def arriving(workload: Workload, seed: int, chunk: int) -> Iterator[Arriving]:
    """Yield everything that arrives, about `chunk` requests at a time; what they are does not depend on it."""
    return _drawn(workload, seed, chunk) if workload.trace is None else _traced(workload, workload.trace, seed, chunk)


def _drawn(workload: Workload, seed: int, chunk: int) -> Iterator[Arriving]:
    if workload.requests is None or workload.rate_per_s is None:
        raise InvariantError("a workload without a trace has a number of requests and a rate")
    loads = list(workload.loads.values())
    prompts = TokenDraws([_given(load.prompt_tokens) for load in loads], seed, "workload/prompts")
    outputs = TokenDraws([_given(load.output_tokens) for load in loads], seed, "workload/outputs")
    left = workload.requests
    for at_s, kinds in _instants(workload, workload.rate_per_s, seed, min(chunk, left)):
        at_s, kinds = at_s[:left], kinds[:left]
        left -= len(at_s)
        yield Arriving(
            at_s=at_s,
            kinds=kinds,
            prompt_tokens=prompts.draw(kinds),
            output_tokens=outputs.draw(kinds),
            sessions=repeat(None),
            blocks=repeat(()),
        )
        if not left:
            return


def _instants(workload: Workload, rate_per_s: float, seed: int, chunk: int) -> Iterator[tuple[Values, Values]]:
    """Yield instants and services: of those without arrivals of their own from one process, by their shares."""
    loads = list(workload.loads.values())
    shared = [kind for kind, load in enumerate(loads) if load.arrivals is None]
    shares = _Shares([loads[kind].share for kind in shared], seed)
    kind_of = np.array([*shared[:1], *(kind for kind, load in enumerate(loads) if load.arrivals is not None)])
    for at_s, source in merged(list(_processes(workload, rate_per_s, seed)), chunk):
        kinds = kind_of[source]
        if shared:
            mine = source == 0
            kinds[mine] = np.array(shared)[shares.draw(int(np.count_nonzero(mine)))]
        yield at_s, kinds


def _processes(workload: Workload, rate_per_s: float, seed: int) -> Iterator[Instants]:
    """Yield the common process, if any service takes part in it, and then each service's own."""
    common = sum(load.share for load in workload.loads.values() if load.arrivals is None)
    total = sum(load.share for load in workload.loads.values())
    if common:
        yield Instants(workload.arrivals, rate_per_s * (common / total), stream(seed, "workload/arrivals"))
    for name, load in workload.loads.items():
        if load.arrivals is not None:
            rng = stream(seed, f"workload/arrivals/{name}")
            yield Instants(load.arrivals, rate_per_s * (load.share / total), rng)


class _Shares:
    """Draws services by their shares."""

    def __init__(self, shares: Sequence[float], seed: int) -> None:
        cumulative = np.cumsum(shares)
        self._cumulative = cumulative / cumulative[-1] if len(cumulative) else cumulative
        self._rng = stream(seed, "workload/services")

    def draw(self, count: int) -> Values:
        return np.searchsorted(self._cumulative, self._rng.random(count), side="right")


def _given(lengths: LengthModel | None) -> LengthModel:
    if lengths is None:
        raise InvariantError("a load without a trace has lengths")
    return lengths


def _traced(workload: Workload, trace: TraceSource, seed: int, chunk: int) -> Iterator[Arriving]:
    """Take a trace's requests, the first at instant 0."""
    requests = islice(read_trace(trace.path, trace.layout, seed), workload.requests)
    kinds_of = _services(workload, trace, seed)
    first_at_s: float | None = None
    while taken := list(islice(requests, chunk)):
        at, prompts, outputs, models, sessions, blocks = zip(*map(astuple, taken), strict=True)
        first_at_s = at[0] if first_at_s is None else first_at_s
        yield Arriving(
            at_s=(np.array(at) - first_at_s) / trace.speed_up,
            kinds=kinds_of(models),
            prompt_tokens=np.array(prompts),
            output_tokens=np.array(outputs),
            sessions=sessions,
            blocks=blocks,
        )
    if first_at_s is None:
        raise ConfigError("the trace has no requests", file=str(trace.path), remedy="Give one that has.")


def _services(workload: Workload, trace: TraceSource, seed: int) -> Callable[[Sequence[str | None]], Values]:
    names = list(workload.loads)
    if trace.service is not None:
        only = names.index(trace.service)
        return lambda models: np.full(len(models), only)
    if trace.services_by_model:
        places: dict[str | None, int] = {
            model: names.index(service) for model, service in trace.services_by_model.items()
        }
        return lambda models: np.array([_place(places, model, trace) for model in models])
    shares = _Shares([load.share for load in workload.loads.values()], seed)
    return lambda models: shares.draw(len(models))


def _place(places: dict[str | None, int], model: str | None, trace: TraceSource) -> int:
    place = places.get(model)
    if place is None:
        named = "a request of no model" if model is None else f"model {model!r}"
        remedy = "Name one in workload.trace.services_by_model."
        raise ConfigError(f"there is no service for {named}", file=str(trace.path), remedy=remedy)
    return place
