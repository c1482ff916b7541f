"""Small problems whose every schedule can be tried, or worked out by hand."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from perllm.domain.request import Requirement
from perllm.domain.service import Service
from perllm.experiments.bound.grid import grid_of, idle_of
from perllm.experiments.bound.instance import Instance, instance_of
from perllm.experiments.bound.prices import bound_by_prices
from perllm.experiments.bound.relaxation import relaxation_of
from perllm.experiments.bound.solver import solve
from perllm.simulation.lengths import Lengths
from perllm.simulation.scenario import ServiceLoad, Workload, WorldSettings
from tests.unit.simulation.machines import CLOUD, SERVER, scenario

EXACT = WorldSettings(prior_error=0.0, service_noise=0.0, link_jitter=0.0)
LOAD = ServiceLoad(
    model="m",
    prompt_tokens=Lengths(median_tokens=60, sigma=0.5, minimum=1, maximum=300),
    output_tokens=Lengths(median_tokens=15, sigma=0.5, minimum=1, maximum=60),
    stream_fraction=0.5,
)


def tiny(requests: int, seed: int, *, rate_per_s: float = 4.0, total_s: float = 1.5, **changes: Any) -> Instance:
    """Return a few requests on an edge and a cloud of round figures."""
    traffic = scenario(
        services=(Service(name="chat", requirement=Requirement(total_s=total_s)),),
        workload=Workload(requests=requests, rate_per_s=rate_per_s, loads={"chat": LOAD}),
        servers=(SERVER, replace(CLOUD, slots=8)),
        **changes,
    )
    return instance_of(traffic, seed)


def lower_j(instance: Instance, attainment: float = 1.0, bucket_s: float = 0.25) -> tuple[float, float]:
    """Return the bounds by the fluid program and by prices."""
    grid, idle = grid_of(instance, bucket_s), idle_of(instance, counted=False)
    solution = solve(relaxation_of(instance, grid, idle, attainment).program)
    assert solution is not None
    return solution.certified, bound_by_prices(instance, grid, idle, attainment)
