"""Wrong input: an answer in the OpenAI shape that says what to do, and nothing for the brain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from perllm.domain.reason import Refusal
from perllm.gateway.settings import GatewaySettings
from tests.parity.virtual_loop import run_virtual, virtual_loop
from tests.unit.gateway import engine
from tests.unit.gateway.engine import FakeEngine
from tests.unit.gateway.fleet import Fleet, assert_nothing_left, running

MIB = 2**20
GOOD = b'{"model": "small", "messages": [{"role": "user", "content": "hello"}]}'


@pytest_asyncio.fixture
async def fleet() -> AsyncIterator[Fleet]:
    settings = GatewaySettings(port=0, max_body_bytes=MIB)
    async with FakeEngine(engine.fine) as fake, running({"edge": fake.url}, settings=settings) as fleet:
        yield fleet


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[1]", "one JSON object"),
        (b'{"model": "small", "messages": [{"role": "user", "content": "\xff"}]}', "not UTF-8"),
        (GOOD.replace(b"}]}", b'}], "stream": "yes"}'), "`stream`"),
        (GOOD.replace(b"}]}", b'}], "metadata": {"service": "gold"}}'), "no service 'gold'"),
        (GOOD.replace(b'"small"', b"7"), "`model`"),
    ],
)
async def test_a_body_that_cannot_be_read_is_answered_400(fleet: Fleet, body: bytes, says: str) -> None:
    async with fleet.session.post(f"{fleet.url}/v1/chat/completions", data=body) as answer:
        error = (await answer.json())["error"]

    assert 400 == answer.status
    assert says in error["message"]
    assert "invalid_request_error" == error["type"]
    assert answer.headers["x-request-id"]
    assert 0 == fleet.scheduler.counts().submitted


@pytest.mark.parametrize("wish", ["-5", "0", "soon", "nan", "inf", ""])
async def test_a_requirement_that_is_no_time_is_answered_400(fleet: Fleet, wish: str) -> None:
    async with fleet.post(headers={"x-perllm-requirement-ms": wish}) as answer:
        error = (await answer.json())["error"]

    assert (400, "x-perllm-requirement-ms") == (answer.status, error["param"])


async def test_an_unknown_service_is_answered_with_the_known_ones(fleet: Fleet) -> None:
    async with fleet.post(headers={"x-perllm-service": "gold"}) as answer:
        error = (await answer.json())["error"]

    assert (400, "x-perllm-service") == (answer.status, error["param"])
    assert "Name one of chat" in error["message"]


async def test_a_model_nobody_serves_is_answered_404(fleet: Fleet) -> None:
    async with fleet.post(model="huge") as answer:
        error = (await answer.json())["error"]

    assert (404, "model-not-served") == (answer.status, answer.headers["x-perllm-reason"])
    assert "'huge'" in error["message"]
    assert [Refusal.MODEL_NOT_SERVED] == [refuse.reason for refuse in fleet.refusals()]
    assert_nothing_left(fleet)


async def test_a_huge_body_is_refused_before_it_is_read(fleet: Fleet) -> None:
    reader, writer = await asyncio.open_connection(*fleet.address)
    writer.write(head("content-length: 50000000"))

    assert b"413" == (await reader.readline()).split()[1]
    writer.close()


async def test_a_huge_body_of_untold_length_is_refused_as_soon_as_it_is_too_long(fleet: Fleet) -> None:
    reader, writer = await asyncio.open_connection(*fleet.address)
    writer.write(head("transfer-encoding: chunked") + b"%x\r\n%s\r\n" % (2 * MIB, b"x" * 2 * MIB))

    assert b"413" == (await reader.readline()).split()[1]
    writer.close()


async def test_a_client_that_asks_first_is_told_to_go_on(fleet: Fleet) -> None:
    reader, writer = await asyncio.open_connection(*fleet.address)
    writer.write(head(f"content-length: {len(GOOD)}\r\nexpect: 100-continue"))

    assert b"HTTP/1.1 100 Continue\r\n\r\n" == await reader.readuntil(b"\r\n\r\n")
    writer.write(GOOD)
    assert b"200" == (await reader.readline()).split()[1]
    writer.close()


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\r\n\r\n", b"POST /v1 HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n:\r\n\r\n"]
)
async def test_what_is_not_http_is_answered_400_in_the_openai_shape(fleet: Fleet, garbage: bytes) -> None:
    reader, writer = await asyncio.open_connection(*fleet.address)
    writer.write(garbage)
    status, error = parsed(await reader.read())
    writer.close()

    assert (400, "invalid_request_error") == (status, error["type"])


def test_a_client_that_sends_half_a_head_is_dropped() -> None:
    async def main() -> tuple[bytes, float]:
        async with FakeEngine(engine.fine) as fake, running({"edge": fake.url}) as fleet:
            reader, writer = await asyncio.open_connection(*fleet.address)
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost:")
            received = await reader.read()
            writer.close()
            return received, virtual_loop().time()

    received, dropped_at_s = run_virtual(main())

    assert b"" == received
    assert 10.0 == pytest.approx(dropped_at_s, abs=0.01)


def test_a_client_that_sends_half_a_body_is_told_so_and_dropped() -> None:
    async def main() -> tuple[bytes, float]:
        async with FakeEngine(engine.fine) as fake, running({"edge": fake.url}, deadline_s=60.0) as fleet:
            reader, writer = await asyncio.open_connection(*fleet.address)
            writer.write(head("content-length: 1000") + GOOD)
            received = await reader.read()
            writer.close()
            assert 0 == fleet.scheduler.counts().submitted
            return received, virtual_loop().time()

    received, dropped_at_s = run_virtual(main())
    status, error = parsed(received)

    assert (408, "timeout_error", "body_timeout") == (status, error["type"], error["code"])
    assert 30.0 == pytest.approx(dropped_at_s, abs=0.01)


async def test_a_client_that_leaves_amid_its_body_is_forgotten(fleet: Fleet) -> None:
    _, writer = await asyncio.open_connection(*fleet.address)
    writer.write(head("content-length: 1000") + GOOD)
    await writer.drain()
    writer.close()
    async with fleet.post() as answer:
        assert 200 == answer.status

    assert 1 == fleet.scheduler.counts().submitted
    assert_nothing_left(fleet)


def head(field: str) -> bytes:
    return f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{field}\r\n\r\n".encode()


def parsed(answer: bytes) -> tuple[int, Any]:
    told, _, body = answer.partition(b"\r\n\r\n")
    return int(told.split()[1]), json.loads(body)["error"]


@pytest.mark.parametrize("key", ["model", "user", "prompt_cache_key", "service_tier"])
async def test_a_name_that_is_too_long_is_refused_and_not_repeated(fleet: Fleet, key: str) -> None:
    name = "x" * 10_000
    async with fleet.post(**{key: name}) as answer:
        said = await answer.text()

    assert 400 == answer.status
    assert name not in said
    assert 0 == fleet.scheduler.counts().submitted


async def test_a_body_that_is_not_encoded_as_it_says_is_answered_in_our_words(fleet: Fleet) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    url = f"{fleet.url}/v1/chat/completions"
    async with fleet.session.post(url, data=b"notgzip", headers=headers) as answer:
        said = await answer.json()

    assert (400, "body_broken") == (answer.status, said["error"]["code"])
