"""All to the edge but what may not stay there."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.server import Tier
from tests.unit.scheduling.builders import CHAT, CLOUD, EDGE, dispatch_of, request, scheduler


def test_the_cloud_is_left_alone_however_busy_the_edges_are() -> None:
    edges = [replace(EDGE, server_id=name) for name in ("near", "far")]
    brain = scheduler(*edges, CLOUD, policy="edge-only")
    visited = [dispatch_of(brain.submit(request(f"r{n}"), 0.0)).server_id for n in range(20)]

    assert {"near": 10, "far": 10} == {name: visited.count(name) for name in set(visited)}


def test_a_service_that_must_be_served_in_the_cloud_is() -> None:
    central = replace(CHAT, name="central", tiers=frozenset({Tier.CLOUD}))
    named = replace(CHAT, name="named", servers=frozenset({"cloud"}))
    brain = scheduler(EDGE, CLOUD, services=[central, named], policy="edge-only")

    assert "cloud" == dispatch_of(brain.submit(request("r1", service="central"), 0.0)).server_id
    assert "cloud" == dispatch_of(brain.submit(request("r2", service="named"), 0.0)).server_id
