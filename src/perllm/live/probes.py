"""Ask every engine for its health at fixed instants, and tell the brain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from math import floor

from perllm.domain.telemetry import Health
from perllm.live.driver import Driver
from perllm.machines.engines import Upstream
from perllm.machines.http import UpstreamClient


async def probe(
    client: UpstreamClient,
    driver: Driver,
    upstreams: Iterable[Upstream],
    *,
    interval_s: float,
    timeout_s: float,
) -> None:
    """Probe every engine that can be asked for free, at once and then each `interval_s`, until cancelled.

    Each server is waited for on its own, so a slow one delays nobody; it skips the instants it has missed.
    """
    start_at_s = driver.now_s
    async with asyncio.TaskGroup() as watches:
        for upstream in upstreams:
            if upstream.kind.health_path is not None:
                watches.create_task(_watch(client, driver, upstream.server_id, start_at_s, interval_s, timeout_s))


async def _watch(
    client: UpstreamClient,
    driver: Driver,
    server_id: str,
    start_at_s: float,
    interval_s: float,
    timeout_s: float,
) -> None:
    turn = 0
    while True:
        healthy = await client.is_healthy(server_id, timeout_s)
        now_s = driver.now_s
        driver.observe(Health(server_id=server_id, healthy=healthy, measured_at_s=now_s))
        turn = max(turn, floor((now_s - start_at_s) / interval_s)) + 1
        await asyncio.sleep(start_at_s + turn * interval_s - now_s)
