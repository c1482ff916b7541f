"""Traffic: the requests of a scenario with their hidden truth, drawn from one named stream for each quantity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perllm.domain.request import Request
from perllm.simulation.job import Job, Truth
from perllm.simulation.scenario import Lengths, Scenario
from perllm.simulation.streams import stream

Values = NDArray[Any]


def jobs(scenario: Scenario, seed: int) -> Iterator[tuple[float, Job]]:
    """Yield (arrival instant, job) in the order of arrival, which is a Poisson process."""
    workload, services = scenario.workload, {service.name: service for service in scenario.services}
    names = list(workload.loads)
    columns = _draw(scenario, seed)
    for number, (at_s, kind, prompt, output, stream_draw, service_factor, link_factor, stays_s) in enumerate(
        zip(*columns, strict=True), start=1
    ):
        name = names[kind]
        load = workload.loads[name]
        prompt_bytes = max(round(prompt * load.bytes_per_prompt_token), 1)
        limit = load.max_output_tokens
        request = Request(
            request_id=f"r{number}",
            service=name,
            model=load.model,
            requirement=services[name].requirement,
            payload_bytes=prompt_bytes + load.overhead_bytes,
            prompt_bytes=prompt_bytes,
            max_output_tokens=limit,
            stream=stream_draw < load.stream_fraction,
        )
        truth = Truth(
            prompt_tokens=prompt,
            output_tokens=output if limit is None else min(output, limit),
            upload_bytes=request.payload_bytes,
            service_factor=service_factor,
            link_factor=link_factor,
            leaves_at_s=None if stays_s == np.inf else at_s + stays_s,
        )
        yield at_s, Job(request=request, truth=truth)


def _draw(scenario: Scenario, seed: int) -> list[list[Any]]:
    """Draw every quantity for all requests at once, as plain Python numbers."""
    workload, world = scenario.workload, scenario.world
    loads, count = list(workload.loads.values()), workload.requests
    gaps = stream(seed, "workload/arrivals").standard_exponential(count)
    shares = np.cumsum([load.share for load in loads])
    kinds = np.searchsorted(shares / shares[-1], stream(seed, "workload/services").random(count), side="right")
    columns = (
        np.cumsum(gaps) / workload.rate_per_s,
        kinds,
        _tokens([load.prompt_tokens for load in loads], kinds, seed, "workload/prompts"),
        _tokens([load.output_tokens for load in loads], kinds, seed, "workload/outputs"),
        stream(seed, "workload/streams").random(count),
        np.exp(world.service_noise * stream(seed, "workload/service-noise").standard_normal(count)),
        np.exp(world.link_jitter * stream(seed, "workload/link-jitter").standard_normal(count)),
        _patience(scenario, kinds, seed),
    )
    return [column.tolist() for column in columns]


def _tokens(lengths: list[Lengths], kinds: Values, seed: int, name: str) -> Values:
    def each(values: list[float]) -> Values:
        chosen: Values = np.array(values)[kinds]
        return chosen

    deviations = stream(seed, name).standard_normal(len(kinds))
    drawn = each([length.median_tokens for length in lengths]) * np.exp(
        each([length.sigma for length in lengths]) * deviations
    )
    lowest, highest = each([length.minimum for length in lengths]), each([length.maximum for length in lengths])
    tokens: Values = np.clip(np.rint(drawn), lowest, highest).astype(int)
    return tokens


def _patience(scenario: Scenario, kinds: Values, seed: int) -> Values:
    """Draw how long each client stays: for ever, except those who leave."""
    loads = list(scenario.workload.loads.values())
    count = len(kinds)
    leaving = np.array([load.leaving_fraction for load in loads])[kinds]
    leaves = stream(seed, "workload/leaving").random(count) < leaving
    after_s = np.array([load.leaving_after_s for load in loads])[kinds]
    return np.where(leaves, after_s * stream(seed, "workload/patience").standard_exponential(count), np.inf)
