"""Opening, reading, leaving an engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from perllm.machines.engines import EngineKind, Upstream
from perllm.machines.failures import AttemptError
from perllm.machines.http import Reply, UpstreamClient
from tests.parity.virtual_loop import run_virtual, virtual_loop
from tests.unit.gateway import engine
from tests.unit.gateway.engine import Behaviour, Call, FakeEngine

PLAIN, STREAM = b'{"model": "m"}', b'{"model": "m", "stream": true}'


@asynccontextmanager
async def reaching(
    behaviour: Behaviour, kind: EngineKind = EngineKind.VLLM, api_key: str | None = None
) -> AsyncIterator[tuple[UpstreamClient, FakeEngine]]:
    async with FakeEngine(behaviour) as fake:
        upstream = Upstream(server_id="edge", base_url=fake.url, kind=kind, models={}, api_key=api_key)
        client = UpstreamClient([upstream], user_agent="perllm/test")
        try:
            yield client, fake
        finally:
            await client.close()


async def ask(client: UpstreamClient, *, stream: bool = False, body: bytes | None = None) -> Reply:
    return await client.open("edge", "/v1/chat/completions", body or (STREAM if stream else PLAIN), {}, stream=stream)


async def read_all(reply: Reply) -> bytes:
    received = b""
    while piece := await reply.read_some():
        received += piece
    return received


async def ask_to_the_end(client: UpstreamClient, *, stream: bool) -> None:
    reply = await ask(client, stream=stream)
    await read_all(reply)
    await reply.finish()
    reply.close()


@pytest.mark.parametrize(
    ("kind", "stream", "connections"),
    [
        (EngineKind.VLLM, False, 1),
        (EngineKind.VLLM, True, 1),
        (EngineKind.LLAMACPP, False, 1),
        (EngineKind.LLAMACPP, True, 2),
    ],
)
async def test_a_socket_is_kept_where_the_engine_keeps_it(kind: EngineKind, stream: bool, connections: int) -> None:
    async with reaching(engine.fine, kind) as (client, fake):
        for _ in range(2):
            await ask_to_the_end(client, stream=stream)

    assert (2, connections) == (len(fake.calls), fake.connections)


async def test_leaving_hangs_up() -> None:
    async with reaching(engine.stalls_midway) as (client, fake):
        reply = await ask(client, stream=True)
        await reply.read_some()
        reply.close()
        await fake.left.wait()


async def test_a_cancelled_request_hangs_up() -> None:
    async with reaching(engine.stalls_before_head) as (client, fake):
        asking = asyncio.create_task(ask(client))
        await fake.called.wait()
        asking.cancel()
        await fake.left.wait()


async def test_the_key_is_the_gateways_own() -> None:
    async with reaching(engine.fine, api_key="secret") as (client, fake):
        await ask_to_the_end(client, stream=False)

    assert "Authorization: Bearer secret\r\n" in fake.calls[0].head


async def test_a_body_of_several_megabytes_is_sent() -> None:
    body = b'{"model": "%s"}' % (b"x" * 3 * 2**20)
    async with reaching(engine.fine) as (client, fake):
        reply = await ask(client, body=body)
        await read_all(reply)

    assert body == fake.calls[0].body


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_of_the_wrong_kind_is_no_answer(stream: bool) -> None:
    async with reaching(engine.wrong_content_type) as (client, _):
        with pytest.raises(AttemptError, match="content type text/html"):
            await ask(client, stream=stream)


async def test_an_error_keeps_its_explanation() -> None:
    async with reaching(engine.overloaded) as (client, _):
        with pytest.raises(AttemptError, match="status 503") as caught:
            await ask(client)

    assert (503, 2.0, b'{"error": {"message": "busy"}}') == (
        caught.value.status,
        caught.value.retry_after_s,
        caught.value.body,
    )


def test_an_error_whose_explanation_does_not_come_is_not_waited_for() -> None:
    async def starts_to_explain(call: Call) -> None:
        await call.send(b"HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        await engine.stalls_before_head(call)

    async def main() -> tuple[bytes, float]:
        async with reaching(starts_to_explain) as (client, fake):
            with pytest.raises(AttemptError) as caught:
                await ask(client)
            await fake.left.wait()
            return caught.value.body, virtual_loop().time()

    assert (b"{", 1.0) == run_virtual(main())


async def test_a_stream_whose_end_does_not_come_is_left() -> None:
    async def forgets_to_end(call: Call) -> None:
        await engine.stream_words(call)
        await call.send_chunk(engine.event(b"[DONE]"))
        await engine.stalls_before_head(call)

    async with reaching(forgets_to_end) as (client, fake):
        reply = await ask(client, stream=True)
        while b"[DONE]" not in await reply.read_some():
            pass
        await reply.finish()
        await fake.left.wait()


async def respond(call: Call, status: str) -> None:
    await call.send(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("behaviour", "healthy"),
    [
        (lambda call: respond(call, "200 OK"), True),
        (lambda call: respond(call, "503 Loading"), False),
        (engine.reset, False),
        (engine.stalls_before_head, False),
    ],
    ids=["well", "loading", "resets", "silent"],
)
async def test_health_is_a_200_in_time(behaviour: Callable[[Call], object], healthy: bool) -> None:
    async with reaching(behaviour) as (client, fake):  # type: ignore[arg-type]
        assert healthy is await client.is_healthy("edge", 0.2)

    assert fake.calls[0].head.startswith("GET /health ")


async def test_an_engine_that_is_not_there_is_not_well() -> None:
    upstream = Upstream(server_id="edge", base_url=engine.closed_port(), kind=EngineKind.VLLM, models={})
    client = UpstreamClient([upstream], user_agent="perllm/test")

    assert not await client.is_healthy("edge", 1.0)
    with pytest.raises(AttemptError, match="connection refused"):
        await ask(client)
    await client.close()
