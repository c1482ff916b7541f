"""The emulator, over real sockets on virtual time, gives exactly the instants of the engine model it stands for."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.server import Link, Server, Tier
from perllm.domain.service import Service
from perllm.emulator.settings import EmulatorSettings
from perllm.simulation.agenda import Report
from perllm.simulation.engine import Engine
from perllm.simulation.job import Job
from perllm.simulation.lengths import Lengths
from perllm.simulation.scenario import Scenario, ServiceLoad, Workload
from perllm.simulation.trouble import Outage
from perllm.simulation.workload import jobs
from tests.parity.harness import Seen, call, client, see, serve_emulator
from tests.parity.virtual_loop import run_virtual

SERVER = Server(
    server_id="edge",
    tier=Tier.EDGE,
    models=frozenset({"m"}),
    slots=4,
    kv_tokens=20_000,
    context_tokens=4096,
    link=Link(rtt_s=0.02, up_bytes_per_s=2e5, down_bytes_per_s=4e5, j_per_byte=1e-6),
    speed=SpeedProfile(
        prefill_token_s=5e-4, decode_token_s=0.006, weights_read_s=0.02, step_overhead_s=0.001, request_overhead_s=0.003
    ),
    power=PowerProfile(idle_w=5.0, prefill_w=20.0, decode_w=12.0, decode_full_w=18.0),
)
LOAD = ServiceLoad(
    share=1.0,
    model="m",
    prompt_tokens=Lengths(median_tokens=60, sigma=0.6, minimum=4, maximum=400),
    output_tokens=Lengths(median_tokens=40, sigma=0.8, minimum=1, maximum=200),
    stream_fraction=0.6,
    leaving_fraction=0.15,
    leaving_after_s=2.0,
)
END_S = 1e4
OUTAGE = Outage(server_id="edge", from_s=20.0, to_s=24.0)


def traffic(seed: int, requests: int = 200) -> list[tuple[float, Job]]:
    workload = Workload(requests=requests, rate_per_s=3.5, loads={"chat": LOAD})
    scenario = Scenario(
        name="edge", servers=(SERVER,), services=(Service(name="chat"),), workload=workload, policy="round-robin"
    )
    return [
        (at_s, replace(job, truth=replace(job.truth, upload_bytes=job.truth.upload_bytes + 100)))
        for at_s, job in jobs(scenario, seed)
    ]


def modelled(arrivals: list[tuple[float, Job]]) -> list[tuple[int, Seen]]:
    """Let the engine model alone serve the traffic."""
    engine = Engine(SERVER, outages=(OUTAGE,))
    answers: list[tuple[int, Seen]] = [(0, []) for _ in arrivals]
    changes = [(at_s, number, True) for number, (at_s, _) in enumerate(arrivals)]
    changes += [(job.truth.leaves_at_s or END_S, number, False) for number, (_, job) in enumerate(arrivals)]
    for at_s, number, arrives in sorted(changes):
        while engine.next_at_s <= at_s:
            report = engine.advance(engine.next_at_s)
            if report is not None:
                hear(answers, report, arrivals[int(report.attempt_id)][1])
        if arrives:
            engine.arrive(str(number), arrivals[number][1], at_s)
        elif engine.knows(str(number)):
            engine.abort(str(number), EndingKind.CANCELLED, at_s)
    return answers


def hear(answers: list[tuple[int, Seen]], report: Report, job: Job) -> None:
    """Note what the client of a job sees of a report."""
    number, event = int(report.attempt_id), report.event
    if isinstance(event, Ending) and event.kind is EndingKind.FAILED:
        if event.retryable:
            answers[number] = 503, [(report.at_s, 0)]
        return
    tokens = event.output_tokens if isinstance(event, Ending) else event.tokens
    see(answers[number][1], report.at_s, tokens)
    answers[number] = 200, answers[number][1]


async def served(arrivals: list[tuple[float, Job]]) -> list[tuple[int, Seen]]:
    """Let an emulator serve the traffic, each request over a connection of its own."""
    settings = EmulatorSettings(server=SERVER, model="m", frames_every_s=1.0)
    async with serve_emulator(settings, [OUTAGE]) as address, client() as session:
        url = f"{address}/v1/chat/completions"
        return await asyncio.gather(*(call(session, url, job, at_s) for at_s, job in arrivals))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_emulator_answers_at_the_instants_of_the_engine_model(seed: int) -> None:
    arrivals = traffic(seed)

    assert modelled(arrivals) == run_virtual(served(arrivals))
