"""No run falls below the bound, whatever the policy and the world; prices stay below the program they come from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from perllm.accounting import IdleAccounting
from perllm.domain.profile import Batching, PowerProfile, Rest
from perllm.domain.request import Requirement
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.experiments.bound.grid import grid_of, idle_of
from perllm.experiments.bound.instance import Instance, instance_of
from perllm.experiments.bound.plan import followed
from perllm.experiments.bound.prices import bound_by_prices
from perllm.experiments.bound.relaxation import relaxation_of
from perllm.experiments.bound.run import Question, bound
from perllm.experiments.bound.solver import solve
from perllm.scheduling.policies import REGISTRY
from perllm.simulation.arrivals import Arrivals
from perllm.simulation.bandwidth import Fluctuation, Network
from perllm.simulation.lengths import Lengths
from perllm.simulation.scenario import Scenario, ServiceLoad, Workload, WorldSettings
from perllm.simulation.trouble import Drift, Outage, Slowdown, Tenant, Trouble
from tests.unit.simulation.machines import SERVER

# What the solver and sums of floats may err by.
ROUNDING = 1.0 + 1e-5

REST = Rest(after_s=0.7, watts=2.5, wake_s=0.3, wake_j=7.0)
SERVERS = st.builds(
    lambda slots, kv_tokens, batching, step_tokens, caches, rests, power, serial: structs.replace(
        SERVER,
        slots=slots,
        kv_tokens=kv_tokens,
        context_tokens=kv_tokens,
        batching=batching,
        step_tokens=step_tokens,
        caches_prefixes=caches,
        rests=rests,
        power=power,
        speed=structs.replace(
            SERVER.speed,
            context_token_s=2e-5,
            attention_pair_s=1e-7,
            sequence_overhead_s=1e-3,
            batching_overhead_s=2e-3,
            serial_fraction=serial,
        ),
    ),
    st.integers(1, 5),
    st.integers(500, 1500),
    st.sampled_from(Batching),
    st.integers(16, 600),
    st.booleans(),
    st.sampled_from([(), (REST,)]),
    st.builds(
        lambda reads, writes, full: PowerProfile(
            idle_w=10.0, prefill_w=10.0 + reads, decode_w=10.0 + writes, decode_full_w=10.0 + full
        ),
        st.floats(0.0, 80.0),
        st.floats(1.0, 60.0),
        st.floats(1.0, 120.0),
    ),
    st.sampled_from([0.0, 0.4]),
)
TENANT = Tenant(server_id="cloud", rate_per_s=2.0, prompt_tokens=50.0, output_tokens=20.0, to_s=9.0)
NAMES = ("edge", "cloud")
SPANS = st.floats(0.1, 6.0)
TROUBLES = st.builds(
    lambda outages, slowdowns, drifts, tenants: Trouble(
        outages=outages, slowdowns=slowdowns, drifts=drifts, tenants=tenants
    ),
    st.sampled_from([(), (Outage(server_id="edge", from_s=1.0, to_s=2.5),)]),
    st.sampled_from([(), (Slowdown(server_id="cloud", from_s=0.5, to_s=3.0, factor=0.5),)]),
    st.sampled_from([(), (Drift(server_id="edge", factor_per_hour=0.001, limit=0.4),)]),
    st.sampled_from(
        [(), (Tenant(server_id="cloud", rate_per_s=2.0, prompt_tokens=50.0, output_tokens=20.0, to_s=9.0),)]
    ),
)
SERVICES = st.builds(
    lambda total_s, first_s: Service(name="chat", requirement=Requirement(total_s=total_s, first_token_s=first_s)),
    st.floats(0.5, 4.0),
    st.none() | st.floats(0.1, 2.0),
)
LOADS = st.builds(
    lambda prompt, output, stream, leaving: ServiceLoad(
        model="m",
        prompt_tokens=Lengths(median_tokens=prompt, sigma=0.8, minimum=1, maximum=700),
        output_tokens=Lengths(median_tokens=output, sigma=0.7, minimum=1, maximum=90),
        stream_fraction=stream,
        leaving_fraction=leaving,
    ),
    st.integers(1, 300),
    st.integers(1, 40),
    st.floats(0.0, 1.0),
    st.sampled_from([0.0, 0.4]),
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    servers: tuple[Server, ...] = tuple(
        structs.replace(draw(SERVERS), server_id=name) for name in NAMES[: draw(st.integers(1, 2))]
    )
    trouble = draw(TROUBLES)
    known = {server.server_id for server in servers}
    trouble = Trouble(
        outages=tuple(each for each in trouble.outages if each.server_id in known),
        slowdowns=tuple(each for each in trouble.slowdowns if each.server_id in known),
        drifts=trouble.drifts,
        tenants=tuple(each for each in trouble.tenants if each.server_id in known),
    )
    return Scenario(
        name="small",
        servers=servers,
        services=(draw(SERVICES),),
        workload=Workload(
            requests=draw(st.integers(1, 14)),
            rate_per_s=draw(st.floats(0.5, 20.0)),
            loads={"chat": draw(LOADS)},
            arrivals=Arrivals(),
        ),
        policy="round-robin",
        world=WorldSettings(
            service_noise=draw(st.sampled_from([0.0, 0.3])),
            network=Network(change=draw(st.sampled_from([None, Fluctuation(spread=0.5, every_s=0.3)]))),
            trouble=trouble,
            idle=draw(st.sampled_from(IdleAccounting)),
        ),
    )


def joules(result: dict[str, Any], *, idle: bool) -> float:
    energy = result["energy_j"]
    return float(energy["total"] if idle else energy["transmit"] + energy["infer"])


def lower(instance: Instance, attainment: float, bucket_s: float, *, idle: bool) -> tuple[float, float]:
    """Return the bounds by the program and by prices."""
    if not instance.pairs:
        return 0.0, 0.0
    grid, account = grid_of(instance, bucket_s), idle_of(instance, counted=idle)
    solution = solve(relaxation_of(instance, grid, account, attainment).program)
    assert solution is not None, "what was done is possible"
    priced_j = bound_by_prices(instance, grid, account, attainment, rounds=25)
    return account.constant_j + solution.certified, account.constant_j + priced_j


@settings(max_examples=12, deadline=None)
@given(
    scenarios(),
    st.sampled_from(sorted(REGISTRY)),
    st.integers(0, 1000),
    st.sampled_from([0.25, 1.0]),
    st.booleans(),
)
def test_no_run_falls_below_the_bound_at_its_own_attainment(
    scenario: Scenario, policy: str, seed: int, bucket_s: float, idle: bool
) -> None:
    instance = instance_of(scenario, seed)
    result, _ = followed(instance, policy)
    attainment = result["attainment"]
    assume(attainment)

    fluid_j, priced_j = lower(instance, attainment, bucket_s, idle=idle)

    assert priced_j <= fluid_j * ROUNDING + 1e-6
    assert fluid_j <= joules(result, idle=idle) * ROUNDING + 1e-6
    assert attainment <= instance.reachable() + 1e-9


@settings(max_examples=5, deadline=None)
@given(scenarios(), st.integers(0, 1000), st.sampled_from([0.5, 1.0]))
def test_the_schedule_found_lies_above_the_bound_and_serves_as_many_as_asked_for(
    scenario: Scenario, seed: int, attainment: float
) -> None:
    assume(instance_of(scenario, seed).reachable() >= attainment)
    question = Question(attainment=attainment, policies=("round-robin", "cs-ucb"), moves=200, fluid=False)

    found = bound(replace(scenario, name="small"), seed, question)
    schedule = found["schedule"]
    assume(schedule is not None)

    assert schedule["attainment"] >= attainment - 1e-9
    assert schedule["joules"] * ROUNDING + 1e-6 >= found["lower_j"]["best"]
    able = [each["joules"] for each in found["policies"] if (each["attainment"] or 0.0) >= attainment]
    assert all(schedule["joules"] <= joules_ + 1e-6 for joules_ in able)
