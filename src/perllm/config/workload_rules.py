"""What the traffic of a scenario refers to, and what it needs with a trace and without."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from perllm.config.document import KeyPath
from perllm.config.mistakes import Mistake, reference
from perllm.config.workload_schema import (
    ArrivalsSection,
    LengthsSection,
    LoadSection,
    TraceSection,
    WorkloadSection,
)
from perllm.simulation.length_sets import length_set_names


def workload_mistakes(
    workload: WorkloadSection, services: Collection[str], models: Collection[str]
) -> Iterator[Mistake]:
    """Yield what is wrong with the traffic, given the names of services and models."""
    for name, load in workload.loads.items():
        path: KeyPath = ("workload", "loads", name)
        yield from reference(path, "service", name, services)
        yield from reference((*path, "model"), "model", load.model, models)
        yield from _sets(path, load)
    if workload.trace is None:
        yield from _without_trace(workload)
    else:
        yield from _with_trace(workload, workload.trace)


def _sets(path: KeyPath, load: LoadSection) -> Iterator[Mistake]:
    yield from _set((*path, "prompt_tokens"), load.prompt_tokens)
    yield from _set((*path, "output_tokens"), load.output_tokens)
    if load.turns is not None:
        yield from _set((*path, "turns", "message_tokens"), load.turns.message_tokens)
        if load.turns.messages.set is not None:
            problem = "sets are lengths of prompts and answers"
            yield Mistake(path=(*path, "turns", "messages", "set"), problem=problem, remedy="Give quantiles or fixed.")


def _set(path: KeyPath, lengths: LengthsSection | None) -> Iterator[Mistake]:
    if lengths is not None and lengths.set is not None:
        yield from reference((*path, "set"), "length set", lengths.set, length_set_names())


def _without_trace(workload: WorkloadSection) -> Iterator[Mistake]:
    if workload.requests is None:
        yield _missing(("workload", "requests"), "Give a whole number, 1 or above.")
    by_rate = [load.rate_per_s is not None for load in workload.loads.values()]
    if workload.rate_per_s is None and not all(by_rate):
        yield _missing(("workload", "rate_per_s"), "Give a number above 0, or rate_per_s in every load.")
    if workload.rate_per_s is not None and any(by_rate):
        problem = "the rates of single services stand in their loads already"
        yield Mistake(path=("workload", "rate_per_s"), problem=problem, remedy="Remove it, or give each load a share.")
    for name, load in workload.loads.items():
        yield from _load_without_trace(("workload", "loads", name), load)


def _load_without_trace(path: KeyPath, load: LoadSection) -> Iterator[Mistake]:
    if (load.share is None) == (load.rate_per_s is None):
        if load.share is None:
            yield _missing((*path, "share"), "Give a number above 0.")
        problem = "share and rate_per_s say the same thing twice"
        yield Mistake(path=(*path, "rate_per_s"), problem=problem, remedy="Remove one.")
    for quantity, lengths in (("prompt_tokens", load.prompt_tokens), ("output_tokens", load.output_tokens)):
        if lengths is None:
            yield _missing((*path, quantity), "Give a section: keys with values.")


def _with_trace(workload: WorkloadSection, trace: TraceSection) -> Iterator[Mistake]:
    path: KeyPath = ("workload", "trace")
    if trace.service is not None:
        yield from reference((*path, "service"), "load", trace.service, workload.loads)
    for model, service in trace.services_by_model.items():
        yield from reference((*path, "services_by_model", model), "load", service, workload.loads)
    rated = workload.rate_per_s is not None or any(load.rate_per_s is not None for load in workload.loads.values())
    if rated:
        problem = "a trace has a rate of its own"
        yield Mistake(path=path, problem=problem, remedy="Remove rate_per_s; speed_up plays the trace faster.")
    if workload.arrivals != ArrivalsSection() or any(load.arrivals is not None for load in workload.loads.values()):
        yield Mistake(path=path, problem="a trace has arrivals of its own", remedy="Remove arrivals, or the trace.")
    for name, load in workload.loads.items():
        if load.turns is not None:
            problem = "a trace says itself what goes on from what"
            yield Mistake(
                path=("workload", "loads", name, "turns"), problem=problem, remedy="Remove turns, or the trace."
            )


def _missing(path: KeyPath, remedy: str) -> Mistake:
    return Mistake(path=path, problem="this key is missing", remedy=remedy)
