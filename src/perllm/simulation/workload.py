"""Traffic: the requests of a scenario with their hidden truth, each quantity from a named stream of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from perllm.domain.request import Request, Requirement
from perllm.simulation.arriving import Arriving, arriving
from perllm.simulation.job import Job, Truth
from perllm.simulation.scenario import Scenario
from perllm.simulation.streams import stream

Values = NDArray[Any]
Facts = tuple[str, str, Requirement, int | None, float]

# With far fewer, numpy's calls cost more than the numbers in them; with far more, nothing is gained.
CHUNK: Final = 4096
# Where clients set no limit: above every answer.
_NO_LIMIT: Final = 2**62


def jobs(scenario: Scenario, seed: int, chunk: int = CHUNK) -> Iterator[tuple[float, Job]]:
    """Yield (arrival instant, job) in the order of arrival; `chunk` changes nothing but the memory it takes.

    Raises ConfigError where a trace cannot be read.
    """
    requirements = {service.name: service.requirement for service in scenario.services}
    loads = scenario.workload.loads
    facts = [
        (name, load.model, requirements[name], load.max_output_tokens, load.reply_bytes_per_token)
        for name, load in loads.items()
    ]
    details = _Details(scenario, seed)
    number = 0
    for some in arriving(scenario.workload, seed, chunk):
        yield from _made(number, some, details, facts)
        number += len(some.at_s)


def _made(number: int, some: Arriving, details: _Details, facts: Sequence[Facts]) -> Iterator[tuple[float, Job]]:
    columns = (column.tolist() for column in (some.at_s, some.kinds, some.prompt_tokens, *details.draw(some)))
    rows = zip(*columns, some.sessions, some.blocks, some.answer_blocks)  # noqa: B905 - the last three may have no end
    for (
        at_s, kind, prompt, output, text_bytes, bytes_, streams, service, link, stays_s, session, blocks, answer
    ) in rows:  # fmt: skip
        number += 1
        name, model, requirement, limit, token_bytes = facts[kind]
        request = Request(
            request_id=f"r{number}",
            service=name,
            model=model,
            requirement=requirement,
            payload_bytes=bytes_,
            prompt_bytes=text_bytes,
            max_output_tokens=limit,
            stream=streams,
            session=session,
        )
        truth = Truth(
            prompt_tokens=prompt,
            output_tokens=output,
            upload_bytes=bytes_,
            service_factor=service,
            link_factor=link,
            leaves_at_s=None if stays_s == np.inf else at_s + stays_s,
            blocks=blocks,
            answer_blocks=answer,
            block_tokens=some.block_tokens,
            token_bytes=token_bytes,
        )
        yield at_s, Job(request=request, truth=truth)


class _Details:
    """Draws what is left to say of requests whose instants, services and lengths are known."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        loads = list(scenario.workload.loads.values())
        self._limits = np.array([load.max_output_tokens or _NO_LIMIT for load in loads])
        self._stream_fractions = np.array([load.stream_fraction for load in loads])
        self._bytes_per_token = np.array([load.bytes_per_prompt_token for load in loads])
        self._overhead_bytes = np.array([load.overhead_bytes for load in loads])
        self._leaving = np.array([load.leaving_fraction for load in loads])
        self._leaving_after_s = np.array([load.leaving_after_s for load in loads])
        self._world = scenario.world
        names = ("streams", "service-noise", "link-jitter", "leaving", "patience")
        self._rng = {name: stream(seed, f"workload/{name}") for name in names}

    def draw(self, some: Arriving) -> tuple[Values, ...]:
        """Draw output tokens, bytes of prompt and payload, streaming, factors of service and link, and the stay."""
        kinds, count = some.kinds, len(some.kinds)
        prompt_bytes = np.maximum(np.rint(some.prompt_tokens * self._bytes_per_token[kinds]), 1.0).astype(int)
        leaves = self._rng["leaving"].random(count) < self._leaving[kinds]
        stays_s = self._leaving_after_s[kinds] * self._rng["patience"].standard_exponential(count)
        return (
            np.minimum(some.output_tokens, self._limits[kinds]),
            prompt_bytes,
            prompt_bytes + self._overhead_bytes[kinds],
            self._rng["streams"].random(count) < self._stream_fractions[kinds],
            np.exp(self._world.service_noise * self._rng["service-noise"].standard_normal(count)),
            np.exp(self._world.link_jitter * self._rng["link-jitter"].standard_normal(count)),
            np.where(leaves, stays_s, np.inf),
        )
