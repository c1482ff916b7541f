"""Pages beside the calls, and how the gateway starts and stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import pytest

from perllm.domain.action import Fate
from perllm.errors import ConfigError
from perllm.gateway.app import serve
from perllm.gateway.settings import GatewaySettings
from perllm.machines.engines import EngineKind
from tests.parity.virtual_loop import run_virtual, virtual_loop
from tests.unit.gateway import engine
from tests.unit.gateway.engine import Call, FakeEngine
from tests.unit.gateway.fleet import Fleet, assert_nothing_left, closed_gateway, running


async def get(fleet: Fleet, path: str, method: str = "GET") -> tuple[int, dict[str, object], dict[str, str]]:
    async with fleet.session.request(method, fleet.url + path) as answer:
        return answer.status, await answer.json(), dict(answer.headers)


async def test_health_says_where_all_requests_are() -> None:
    async with FakeEngine(engine.fine) as fake, running({"edge": fake.url}) as fleet:
        async with fleet.post() as answer:
            await answer.read()
        status, told, _ = await get(fleet, "/health")

    assert (200, "ok") == (status, told["status"])
    assert {"submitted": 1, "completed": 1}.items() <= told["requests"].items()  # type: ignore[attr-defined]


async def test_the_models_are_those_of_all_servers() -> None:
    async with running({"edge": engine.closed_port()}) as fleet:
        status, told, _ = await get(fleet, "/v1/models")
        one_status, one, _ = await get(fleet, "/v1/models/small")
        none_status, none, _ = await get(fleet, "/v1/models/huge")

    assert (200, ["small"]) == (status, [model["id"] for model in told["data"]])  # type: ignore[attr-defined]
    assert (200, "small") == (one_status, one["id"])
    assert 404 == none_status
    assert "error" in none


@pytest.mark.parametrize("path", ["/", "/v1/embeddings", "/chat/completions", "/v1/chat/completions/"])
async def test_an_unknown_path_is_answered_404_with_the_known_ones(path: str) -> None:
    async with running({"edge": engine.closed_port()}) as fleet:
        status, told, _ = await get(fleet, path)

    assert 404 == status
    assert "/v1/chat/completions" in told["error"]["message"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/v1/chat/completions", "POST"), ("POST", "/health", "GET"), ("DELETE", "/v1/models", "GET")],
)
async def test_a_wrong_method_is_answered_405_with_the_right_one(method: str, path: str, allowed: str) -> None:
    async with running({"edge": engine.closed_port()}) as fleet:
        status, told, headers = await get(fleet, path, method)

    assert (405, allowed) == (status, headers["Allow"])
    assert "error" in told


async def test_a_port_in_use_is_a_mistake_that_can_be_mended() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = GatewaySettings(port=other.getsockname()[1])
        with pytest.raises(ConfigError, match=r"listen: cannot listen on .*choose another port"):
            await closed_gateway(settings).__aenter__()


async def test_an_address_of_another_machine_is_a_mistake_that_can_be_mended() -> None:
    with pytest.raises(ConfigError, match="Name an address of this machine"):
        await closed_gateway(GatewaySettings(host="192.0.2.1", port=0)).__aenter__()


async def test_a_gateway_that_stops_lets_what_runs_come_to_its_end() -> None:
    gate = asyncio.Event()

    async def waits(call: Call) -> None:
        await gate.wait()
        await engine.fine(call)

    async with FakeEngine(waits) as fake, running({"edge": fake.url}) as fleet:
        call = asyncio.create_task(status_of(fleet))
        await fake.called.wait()
        stopping = asyncio.create_task(fleet.gateway.__aexit__(None, None, None))
        await asyncio.sleep(0)
        health, told, _ = await get(fleet, "/health")
        late = await status_of(fleet)
        gate.set()
        await stopping

        assert (503, "draining") == (health, told["status"])
        assert (503, 200) == (late, await call)
        assert_nothing_left(fleet)


def test_a_gateway_that_stops_does_not_wait_for_ever() -> None:
    async def main() -> tuple[float, list[Fate]]:
        stalls = FakeEngine(engine.stalls_before_head)
        async with stalls as fake, running({"edge": fake.url}, deadline_s=60.0) as fleet:
            call = asyncio.create_task(status_of(fleet))
            await fake.called.wait()
            await fleet.gateway.__aexit__(None, None, None)
            call.cancel()
            assert_nothing_left(fleet)
            return virtual_loop().time(), [outcome.fate for outcome in fleet.outcomes()]

    stopped_at_s, fates = run_virtual(main())

    assert [Fate.CANCELLED] == fates
    assert 30.0 == pytest.approx(stopped_at_s, abs=0.1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_gateway(number: signal.Signals) -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(closed_gateway(GatewaySettings(port=0)), ready.set_result))
    assert (await ready).startswith("http://127.0.0.1:")

    os.kill(os.getpid(), number)

    await serving


async def test_engines_that_can_be_asked_for_free_are_probed() -> None:
    async with FakeEngine(engine.fine) as fake, running({"edge": fake.url}, kind=EngineKind.VLLM) as fleet:
        await fake.called.wait()

    assert fake.calls[0].head.startswith("GET /health ")
    assert 0 == fleet.scheduler.counts().submitted


async def status_of(fleet: Fleet) -> int:
    async with fleet.post() as answer:
        await answer.read()
        return int(answer.status)


async def test_a_call_that_has_not_arrived_does_not_hold_up_the_end() -> None:
    async with FakeEngine(engine.fine) as fake:
        async with running({"edge": fake.url}) as fleet:
            _, writer = await asyncio.open_connection(*fleet.address)
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
            await writer.drain()
            async with fleet.post() as answer:
                await answer.read()
            asked_at_s = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - asked_at_s < GatewaySettings().drain_s / 3
        writer.close()
