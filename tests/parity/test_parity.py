"""Law 4: one scheduler. The gateway's own handlers and sockets, on virtual time, decide as the simulator does."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import MappingProxyType

import numpy as np
import pytest
from msgspec import structs

from perllm.domain.action import Dispatch, Finish, Refuse
from perllm.domain.energy import EnergyMethod
from perllm.domain.entry import Entry
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.request import Requirement
from perllm.domain.server import Link, Server, Tier
from perllm.domain.service import Service, WhenInfeasible, WhenLate
from perllm.emulator.settings import EmulatorSettings
from perllm.gateway.app import Gateway
from perllm.gateway.services import ServiceRules
from perllm.gateway.settings import GatewaySettings
from perllm.journal.recording import Recording
from perllm.machines.engines import EngineKind, Upstream
from perllm.scheduling.policies import make_policy
from perllm.scheduling.scheduler import Scheduler
from perllm.simulation.job import Job
from perllm.simulation.lengths import Lengths
from perllm.simulation.probes import Probes
from perllm.simulation.scenario import Scenario, ServiceLoad, Workload, WorldSettings
from perllm.simulation.simulator import Simulator
from perllm.simulation.trouble import Outage, Trouble
from perllm.simulation.workload import jobs
from perllm.simulation.world import World
from perllm.wire.call import Endpoint, parse_call
from tests.parity.harness import body_of, call, client, serve_emulator
from tests.parity.virtual_loop import run_virtual, virtual_loop

REQUESTS = 2000
RATE_PER_S = 8.0
PROBE_INTERVAL_S = 5.0

EDGE = Server(
    server_id="edge-1",
    tier=Tier.EDGE,
    models=frozenset({"m"}),
    slots=3,
    kv_tokens=4000,
    context_tokens=2048,
    link=Link(rtt_s=0.01, up_bytes_per_s=2e6, down_bytes_per_s=2e6, j_per_byte=1e-7),
    speed=SpeedProfile(prefill_token_s=8e-4, decode_token_s=0.006, weights_read_s=0.012, request_overhead_s=0.004),
    power=PowerProfile(idle_w=8.0, prefill_w=30.0, decode_w=20.0, decode_full_w=28.0),
)
CLOUD = structs.replace(
    EDGE,
    server_id="cloud",
    tier=Tier.CLOUD,
    slots=10,
    kv_tokens=20_000,
    link=Link(rtt_s=0.06, up_bytes_per_s=1e6, down_bytes_per_s=1e6, j_per_byte=1e-6),
    speed=SpeedProfile(prefill_token_s=5e-5, decode_token_s=4e-4, weights_read_s=0.01, request_overhead_s=0.01),
    power=PowerProfile(idle_w=90.0, prefill_w=400.0, decode_w=220.0, decode_full_w=320.0),
)
SERVERS = (EDGE, structs.replace(EDGE, server_id="edge-2", slots=2), CLOUD)
SERVICES = (
    Service(name="chat", requirement=Requirement(total_s=4.0, first_token_s=1.0), output_tokens=60.0),
    Service(name="quick", requirement=Requirement(total_s=0.6), when_infeasible=WhenInfeasible.REFUSE),
    Service(name="private", requirement=Requirement(total_s=6.0), tiers=frozenset({Tier.EDGE})),
    Service(name="strict", requirement=Requirement(total_s=1.2), when_late=WhenLate.CANCEL),
)


def load(share: float, output_tokens: float, stream_fraction: float, leaving: float = 0.05) -> ServiceLoad:
    """Return a service's traffic."""
    return ServiceLoad(
        share=share,
        model="m",
        prompt_tokens=Lengths(median_tokens=60, sigma=0.7, minimum=4, maximum=600),
        output_tokens=Lengths(median_tokens=output_tokens, sigma=0.6, minimum=1, maximum=300),
        max_output_tokens=200,
        stream_fraction=stream_fraction,
        leaving_fraction=leaving,
        leaving_after_s=1.0,
    )


def scenario_of(policy: str) -> Scenario:
    """Return a fleet under a load that fills it, with clients that leave and a server that fails for a while."""
    return Scenario(
        name="parity",
        servers=SERVERS,
        services=SERVICES,
        workload=Workload(
            requests=REQUESTS,
            rate_per_s=RATE_PER_S,
            loads={
                "chat": load(0.35, 60.0, 1.0),
                "quick": load(0.25, 15.0, 0.0),
                "private": load(0.2, 40.0, 0.5),
                "strict": load(0.2, 50.0, 0.4),
            },
        ),
        world=WorldSettings(
            probe_interval_s=PROBE_INTERVAL_S,
            trouble=Trouble(outages=(Outage(server_id="edge-2", from_s=31.3, to_s=47.9),)),
        ),
        policy=policy,
    )


def brain_of(scenario: Scenario, seed: int, entries: list[Entry]) -> Recording:
    """Return the scheduler under test, which is the same in both shells."""
    scheduler = Scheduler(
        servers=scenario.servers,
        services=scenario.services,
        policy=make_policy(scenario.policy),
        rng=np.random.default_rng(seed),
    )
    return Recording(scheduler, [entries.append])


def as_the_gateway_reads_it(job: Job) -> Job:
    """Return the job with the sizes that a gateway finds in the client's own call."""
    parsed = parse_call(body_of(job), endpoint=Endpoint.CHAT)
    request = structs.replace(job.request, payload_bytes=len(parsed.body), prompt_bytes=parsed.prompt_bytes)
    return structs.replace(job, request=request)


def simulated(scenario: Scenario, seed: int, arrivals: list[tuple[float, Job]]) -> list[Entry]:
    """Run the simulator."""
    entries: list[Entry] = []
    brain, world = brain_of(scenario, seed, entries), World(scenario.servers, scenario.world, seed)
    simulator = Simulator(
        brain=brain,
        world=world,
        arrivals=[(at_s, as_the_gateway_reads_it(job)) for at_s, job in arrivals],
        probes=Probes(world, scenario.world),
    )
    brain.configure(scenario.servers, scenario.services, 0.0)
    simulator.run()
    return entries


async def served(scenario: Scenario, seed: int, arrivals: list[tuple[float, Job]]) -> list[Entry]:
    """Run the gateway in front of emulated engines that are what the simulator's world is."""
    entries: list[Entry] = []
    truth = World(scenario.servers, scenario.world, seed).servers
    async with AsyncExitStack() as stack:
        upstreams = []
        for server in truth:
            settings = EmulatorSettings(server=server, model="m", frames_every_s=1.0)
            outages = [each for each in scenario.world.trouble.outages if each.server_id == server.server_id]
            address = await stack.enter_async_context(serve_emulator(settings, outages))
            upstreams.append(upstream(server.server_id, address))
        gateway = Gateway(
            settings=GatewaySettings(port=0, probe_interval_s=PROBE_INTERVAL_S),
            rules=ServiceRules(services={service.name: service for service in SERVICES}, default="chat"),
            servers=scenario.servers,
            upstreams=upstreams,
            port=brain_of(scenario, seed, entries),
        )
        await stack.enter_async_context(gateway)
        session = await stack.enter_async_context(client())
        assert 0.0 == virtual_loop().time()
        url = f"{gateway.url}/v1/chat/completions"
        await asyncio.gather(*(call(session, url, job, at_s, headers_of(job)) for at_s, job in arrivals))
    return entries


def upstream(server_id: str, address: str) -> Upstream:
    return Upstream(
        server_id=server_id,
        base_url=address,
        kind=EngineKind.VLLM,
        models=MappingProxyType({"m": "m"}),
        energy_method=EnergyMethod.MODELLED,
    )


def headers_of(job: Job) -> dict[str, str]:
    return {"x-perllm-service": job.request.service, "x-request-id": job.request.request_id}


def decisions(entries: list[Entry]) -> list[tuple[object, ...]]:
    """Return what was decided, in order: which attempt of which request went where, and what was refused why."""
    return [
        (own_id(action.request_id), action.attempt_number, action.server_id)
        if isinstance(action, Dispatch)
        else (own_id(action.request_id), action.reason)
        for entry in entries
        for action in entry.actions
        if isinstance(action, Dispatch | Refuse)
    ]


def ends(entries: list[Entry]) -> dict[str, tuple[object, ...]]:
    """Return how and when every request ended."""
    outcomes = [action.outcome for entry in entries for action in entry.actions if isinstance(action, Finish)]
    return {
        own_id(end.request_id): (end.fate, end.in_time, end.first_token_at_s, end.finished_at_s, end.output_tokens)
        for end in outcomes
    }


def own_id(request_id: str) -> str:
    """Return the client's part of a request's id: the gateway adds its own."""
    return request_id.split("~")[0]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("policy", ["cs-ucb", "least-outstanding", "round-robin"])
def test_the_gateway_decides_as_the_simulator_does(policy: str, seed: int) -> None:
    scenario = scenario_of(policy)
    arrivals = list(jobs(scenario, seed))

    expected = simulated(scenario, seed, arrivals)
    real = run_virtual(served(scenario, seed, arrivals))

    assert decisions(expected) == decisions(real)
    assert ends(expected) == ends(real)
    assert REQUESTS == len(ends(real))
