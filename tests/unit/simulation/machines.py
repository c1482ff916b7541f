"""Round machines and small jobs, so that tests can be worked out by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from perllm.domain.attempt import Ending, Progress
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Link, Server, Tier
from perllm.domain.service import Service
from perllm.simulation.agenda import Report
from perllm.simulation.engine import Engine
from perllm.simulation.job import Job, Truth
from perllm.simulation.lengths import Lengths
from perllm.simulation.scenario import Scenario, ServiceLoad, Workload

# A thousand bytes take 11 ms there, after 5 ms of overhead; an event takes 10.5 ms back.
# Prompts: 1 ms a token plus 1 ms. A step: 21 ms for one or two sequences, 31 ms for three. Watts above idle: 40 to
# read, and 20, 30, 40 and 50 to decode one to four sequences.
SERVER = Server(
    server_id="edge",
    tier=Tier.EDGE,
    models=frozenset({"m"}),
    slots=4,
    kv_tokens=100_000,
    context_tokens=8192,
    link=Link(rtt_s=0.02, up_bytes_per_s=1e6, down_bytes_per_s=5e5, j_per_byte=1e-6),
    speed=SpeedProfile(
        prefill_token_s=0.001, decode_token_s=0.01, weights_read_s=0.02, step_overhead_s=0.001, request_overhead_s=0.005
    ),
    power=PowerProfile(idle_w=10.0, prefill_w=50.0, decode_w=30.0, decode_full_w=60.0),
)
# The same without a way there and back: what happens inside is seen at once.
AT_HAND = replace(
    SERVER,
    link=Link(rtt_s=0.0, up_bytes_per_s=1e300, down_bytes_per_s=1e300),
    speed=replace(SERVER.speed, request_overhead_s=0.0),
)
CLOUD = replace(
    SERVER,
    server_id="cloud",
    tier=Tier.CLOUD,
    slots=16,
    speed=replace(SERVER.speed, prefill_token_s=0.0002, decode_token_s=0.001),
    link=replace(SERVER.link, rtt_s=0.06),
)
CHAT = Service(name="chat", requirement=Requirement(total_s=4.0))
LOAD = ServiceLoad(
    share=1.0,
    model="m",
    prompt_tokens=Lengths(median_tokens=50, sigma=0.5, minimum=2, maximum=400),
    output_tokens=Lengths(median_tokens=30, sigma=0.7, minimum=1, maximum=200),
    stream_fraction=0.6,
    leaving_fraction=0.1,
)


def job(prompt_tokens: int = 100, output_tokens: int = 11, *, stream: bool = True, **truth: Any) -> Job:
    """Return a request of a thousand bytes."""
    request = Request(
        request_id="r",
        service="chat",
        model="m",
        requirement=Requirement(),
        payload_bytes=1000,
        prompt_bytes=700,
        stream=stream,
    )
    return Job(
        request=request,
        truth=Truth(prompt_tokens=prompt_tokens, output_tokens=output_tokens, upload_bytes=1000, **truth),
    )


def reports(engine: Engine, until_s: float = 1e6) -> list[Report]:
    """Move an engine on, from one of its instants to the next, and return what becomes known."""
    known = []
    while engine.next_at_s <= until_s:
        report = engine.advance(engine.next_at_s)
        if report is not None:
            known.append(report)
    return known


def exactly(value: float) -> float:
    """Return what equals `value` but for the rounding of sums."""
    return pytest.approx(value, rel=1e-12, abs=0.0)  # type: ignore[return-value]


def endings(known: list[Report]) -> dict[str, Ending]:
    """Return how each attempt ended."""
    return {report.attempt_id: report.event for report in known if isinstance(report.event, Ending)}


def instants(known: list[Report], kind: type[Progress] | type[Ending]) -> dict[str, float]:
    """Return when each attempt last told something of a kind."""
    return {report.attempt_id: report.at_s for report in known if isinstance(report.event, kind)}


def scenario(*, requests: int = 200, rate_per_s: float = 6.0, load: ServiceLoad = LOAD, **changes: Any) -> Scenario:
    """Return traffic of one service on an edge server and a cloud server."""
    plain = Scenario(
        name="small",
        servers=(SERVER, CLOUD),
        services=(CHAT,),
        workload=Workload(requests=requests, rate_per_s=rate_per_s, loads={"chat": load}),
        policy="round-robin",
    )
    return dataclasses.replace(plain, **changes)
