"""The uplink's rate is told by bodies that are refused, where they are refused slowly enough."""

from __future__ import annotations

import pytest
from aiohttp import web
from yarl import URL

from perllm.experiments.calibrate.heard import ENGINE
from perllm.experiments.calibrate.link import measure_link
from perllm.experiments.calibrate.samples import LinkTimes
from perllm.machines.engines import EngineKind, Upstream
from perllm.machines.http import UpstreamClient
from tests.parity.harness import serve
from tests.parity.virtual_loop import run_virtual, virtual_loop


def measured(bytes_per_s: float, *, request_s: float = 0.0, status: int = 400) -> LinkTimes:
    """Measure the way to an engine that takes bodies in at a rate, and then answers with a status."""

    async def chat(http: web.Request) -> web.StreamResponse:
        await virtual_loop().until(virtual_loop().time() + len(await http.read()) / bytes_per_s)
        return web.json_response({}, status=status)

    async def models(http: web.Request) -> web.StreamResponse:
        await virtual_loop().until(virtual_loop().time() + request_s)
        return web.json_response({"data": []})

    async def there() -> LinkTimes:
        application = web.Application(client_max_size=2**24)
        application.add_routes([web.post("/v1/chat/completions", chat), web.get("/v1/models", models)])
        async with serve(application) as url:
            upstream = Upstream(server_id=ENGINE, base_url=url, kind=EngineKind.OPENAI, models={})
            client = UpstreamClient([upstream], user_agent="test")
            try:
                return await measure_link(client, URL(url), "m")
            finally:
                await client.close()

    return run_virtual(there())


@pytest.mark.parametrize("mbit_per_s", [2.0, 10.0, 100.0])
def test_the_rate_of_a_slow_uplink_is_found(mbit_per_s: float) -> None:
    assert mbit_per_s * 125_000 == pytest.approx(measured(mbit_per_s * 125_000).up_bytes_per_s, rel=0.01)


def test_a_fast_uplink_is_not_told_from_the_engine() -> None:
    assert measured(125e6).up_bytes_per_s is None


@pytest.mark.parametrize("status", [200, 413, 429, 503])
def test_what_was_not_read_and_refused_tells_nothing(status: int) -> None:
    assert measured(1e6, status=status).up_bytes_per_s is None


def test_what_a_request_takes_beyond_any_engine_is_the_way() -> None:
    assert 0.040 == pytest.approx(measured(1e6, request_s=0.040).rtt_s)
