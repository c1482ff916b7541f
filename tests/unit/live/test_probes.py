"""Probes come at fixed instants, whatever the engines do."""

from __future__ import annotations

import asyncio

from perllm.domain.telemetry import Health
from perllm.live.driver import Driver
from perllm.live.probes import probe
from perllm.machines.engines import EngineKind, Upstream
from tests.parity.virtual_loop import run_virtual, virtual_loop
from tests.unit.live.port import ScriptedPort


class FakeClient:
    """Engines that answer after some seconds."""

    def __init__(self, takes_s: dict[str, float]) -> None:
        self._takes_s = takes_s

    async def is_healthy(self, server_id: str, timeout_s: float) -> bool:
        takes_s = self._takes_s[server_id]
        await virtual_loop().until(virtual_loop().time() + min(takes_s, timeout_s))
        return takes_s <= timeout_s


def facts(takes_s: dict[str, float], kind: EngineKind, until_s: float) -> list[tuple[float, Health]]:
    async def main() -> list[tuple[float, Health]]:
        port = ScriptedPort()
        driver = Driver(port, asyncio.get_running_loop())
        upstreams = [Upstream(server_id=name, base_url="http://x", kind=kind, models={}) for name in takes_s]
        probes = asyncio.create_task(
            probe(FakeClient(takes_s), driver, upstreams, interval_s=5.0, timeout_s=2.0)  # type: ignore[arg-type]
        )
        await virtual_loop().until(until_s)
        probes.cancel()
        return [(now_s, fact) for _, fact, now_s in port.events]

    return run_virtual(main())


def health(server_id: str, at_s: float, *, healthy: bool = True) -> tuple[float, Health]:
    return at_s, Health(server_id=server_id, healthy=healthy, measured_at_s=at_s)


def test_the_first_probe_comes_at_once_and_the_others_at_the_interval() -> None:
    assert [health("a", 0.0), health("a", 5.0), health("a", 10.0)] == facts({"a": 0.0}, EngineKind.VLLM, 12.0)


def test_an_engine_that_does_not_answer_in_time_is_not_well_and_delays_nobody() -> None:
    seen = facts({"slow": 60.0, "quick": 0.0}, EngineKind.LLAMACPP, 8.0)

    assert [
        health("quick", 0.0),
        health("slow", 2.0, healthy=False),
        health("quick", 5.0),
        health("slow", 7.0, healthy=False),
    ] == seen


def test_a_hosted_api_is_never_probed() -> None:
    assert [] == facts({"a": 0.0}, EngineKind.OPENAI, 12.0)
