"""What arrives, chunk after chunk: instants, services and lengths, drawn from distributions or taken from a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import Any

import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from perllm.errors import ConfigError, InvariantError
from perllm.simulation.arrivals import Instants, merged
from perllm.simulation.conversations import PIECE_TOKENS, Conversations, Talk
from perllm.simulation.job import BLOCK_TOKENS
from perllm.simulation.lengths import LengthModel
from perllm.simulation.scenario import ServiceLoad, TraceSource, Workload
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
    blocks: Iterable[Sequence[int]]
    answer_blocks: Iterable[Sequence[int]] = field(default_factory=lambda: repeat(()))
    block_tokens: int = BLOCK_TOKENS


def arriving(workload: Workload, seed: int, chunk: int) -> Iterator[Arriving]:
    """Yield everything that arrives, about `chunk` requests at a time; what they are does not depend on it."""
    if workload.trace is not None:
        return _traced(workload, workload.trace, seed, chunk)
    goes_on = any(load.turns is not None for load in workload.loads.values())
    return _conversing(workload, seed, chunk) if goes_on else _drawn(workload, seed, chunk)


def _drawn(workload: Workload, seed: int, chunk: int) -> Iterator[Arriving]:
    left = _requests(workload)
    for at_s, kinds, prompts, outputs in _beginnings(workload, seed, min(chunk, left)):
        yield Arriving(
            at_s=at_s[:left],
            kinds=kinds[:left],
            prompt_tokens=prompts[:left],
            output_tokens=outputs[:left],
            sessions=repeat(None),
            blocks=repeat(()),
        )
        left -= len(at_s)
        if left <= 0:
            return


def _conversing(workload: Workload, seed: int, chunk: int) -> Iterator[Arriving]:
    """Draw what begins, and put in between what goes on from it."""
    left = _requests(workload)
    conversations = Conversations([_talk(name, load, seed) for name, load in workload.loads.items()])
    for beginnings in _beginnings(workload, seed, min(chunk, left)):
        said = conversations.begin(*beginnings)[:left]
        if said:
            at, _, _, kinds, prompts, outputs, sessions, blocks, answer_blocks = zip(*said, strict=True)
            yield Arriving(
                at_s=np.array(at),
                kinds=np.array(kinds),
                prompt_tokens=np.array(prompts),
                output_tokens=np.array(outputs),
                sessions=sessions,
                blocks=blocks,
                answer_blocks=answer_blocks,
                block_tokens=PIECE_TOKENS,
            )
        left -= len(said)
        if not left:
            return


def _talk(name: str, load: ServiceLoad, seed: int) -> Talk | None:
    if load.turns is None:
        return None
    return Talk(name, load.turns, _given(load.output_tokens), load.max_output_tokens, seed)


def _requests(workload: Workload) -> int:
    if workload.requests is None:
        raise InvariantError("a workload without a trace has a number of requests")
    return workload.requests


def _beginnings(workload: Workload, seed: int, chunk: int) -> Iterator[tuple[Values, Values, Values, Values]]:
    """Yield instants, services, and the tokens of prompts and answers, without end."""
    if workload.rate_per_s is None:
        raise InvariantError("a workload without a trace has a rate")
    loads = list(workload.loads.values())
    prompts = TokenDraws([_given(load.prompt_tokens) for load in loads], seed, "workload/prompts")
    outputs = TokenDraws([_given(load.output_tokens) for load in loads], seed, "workload/outputs")
    for at_s, kinds in _instants(workload, workload.rate_per_s, seed, chunk):
        yield at_s, kinds, prompts.draw(kinds), outputs.draw(kinds)


def _instants(workload: Workload, rate_per_s: float, seed: int, chunk: int) -> Iterator[tuple[Values, Values]]:
    """Yield instants and services: of those without arrivals of their own from one process, by their shares."""
    loads = list(workload.loads.values())
    shared = [kind for kind, load in enumerate(loads) if load.arrivals is None]
    shares = _Shares([loads[kind].beginning for kind in shared], seed)
    kind_of = np.array([*shared[:1], *(kind for kind, load in enumerate(loads) if load.arrivals is not None)])
    for at_s, source in merged(list(_processes(workload, rate_per_s, seed)), chunk):
        kinds = kind_of[source]
        if shared:
            mine = source == 0
            kinds[mine] = np.array(shared)[shares.draw(int(np.count_nonzero(mine)))]
        yield at_s, kinds


def _processes(workload: Workload, rate_per_s: float, seed: int) -> Iterator[Instants]:
    """Yield the common process, if any service takes part in it, and then each service's own."""
    common = sum(load.beginning for load in workload.loads.values() if load.arrivals is None)
    total = sum(load.share for load in workload.loads.values())
    if common:
        yield Instants(workload.arrivals, rate_per_s * (common / total), stream(seed, "workload/arrivals"))
    for name, load in workload.loads.items():
        if load.arrivals is not None:
            rng = stream(seed, f"workload/arrivals/{name}")
            yield Instants(load.arrivals, rate_per_s * (load.beginning / total), rng)


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
