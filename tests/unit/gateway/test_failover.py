"""Another server may try until the first byte has gone to the client, and not after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from perllm.domain.action import Fate
from perllm.domain.attempt import EndingKind
from perllm.emulator.answer import TOKEN
from perllm.emulator.faults import Fault
from perllm.gateway.settings import GatewaySettings
from tests.parity.virtual_loop import on_virtual_time, virtual_loop
from tests.unit.gateway import engine
from tests.unit.gateway.emulated import TOKENS, emulated
from tests.unit.gateway.engine import Behaviour, Call, FakeEngine
from tests.unit.gateway.fleet import Fleet, assert_nothing_left, running


async def complains_in_its_first_event(call: Call) -> None:
    await call.send(engine.STREAM_HEAD)
    await call.send_chunk(engine.event({"error": {"message": "out of memory"}}))
    await call.send(b"0\r\n\r\n")


async def complains_midway(call: Call) -> None:
    await engine.stream_words(call, engine.WORDS[:1])
    await virtual_loop().until(virtual_loop().time() + 1.0)
    await call.send_chunk(engine.event({"error": {"message": "out of memory"}}))


async def ends_without_a_word(call: Call) -> None:
    await call.send(engine.STREAM_HEAD + b"0\r\n\r\n")


async def rejects_our_key(call: Call) -> None:
    await call.answer(b'{"error": {"message": "wrong key"}}', status="401 Unauthorized")


async def redirects(call: Call) -> None:
    await call.answer(b"", status="307 Temporary Redirect", extra="location: /elsewhere\r\n")


async def lies_about_json(call: Call) -> None:
    await call.answer(b'{"choices": [')


@asynccontextmanager
async def scripted(behaviour: Behaviour) -> AsyncIterator[str]:
    """An engine that goes wrong in ways that the emulator does not know."""
    async with FakeEngine(behaviour) as fake:
        yield fake.url


@asynccontextmanager
async def pair(first: Fault | Behaviour) -> AsyncIterator[Fleet]:
    """Two servers; the first to be asked goes wrong as told, the other is well."""
    async with (
        emulated(first) if isinstance(first, Fault) else scripted(first) as bad,
        emulated() as good,
        running({"bad": bad, "good": good}, policy="round-robin") as fleet,
    ):
        yield fleet


def named(first: Fault | Behaviour) -> str:
    return first.value if isinstance(first, Fault) else first.__name__


AT_ONCE = (Fault.RESET, Fault.TOO_MANY, Fault.UNAVAILABLE, Fault.INTERNAL, Fault.WRONG_TYPE, rejects_our_key, redirects)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("first", AT_ONCE, ids=named)
@on_virtual_time
async def test_a_server_that_fails_before_its_head_is_replaced(first: Fault | Behaviour, stream: bool) -> None:
    async with pair(first) as fleet:
        async with fleet.post(stream=stream) as answer:
            body = await answer.text()

        assert 200 == answer.status
        assert ("good", "2") == (answer.headers["x-perllm-server"], answer.headers["x-perllm-attempts"])
        assert TOKENS == body.count(TOKEN)
        assert ["bad", "good"] == [dispatch.server_id for dispatch in fleet.dispatches()]
        failed, completed = fleet.endings()
        assert (EndingKind.FAILED, True, True) == (failed.kind, failed.retryable, failed.blame_server)
        assert EndingKind.COMPLETED is completed.kind
        assert_nothing_left(fleet)


@pytest.mark.parametrize("first", [complains_in_its_first_event, ends_without_a_word])
@on_virtual_time
async def test_a_stream_that_fails_before_its_first_word_is_replaced(first: Behaviour) -> None:
    async with pair(first) as fleet:
        async with fleet.post(stream=True) as answer:
            body = await answer.text()

        assert (200, "good") == (answer.status, answer.headers["x-perllm-server"])
        assert "out of memory" not in body
        assert body.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("first", [lies_about_json, Fault.CUT], ids=named)
@on_virtual_time
async def test_a_plain_answer_that_is_not_whole_is_replaced(first: Fault | Behaviour) -> None:
    async with pair(first) as fleet, fleet.post() as answer:
        assert (200, "good") == (answer.status, answer.headers["x-perllm-server"])
        assert "choices" in await answer.json()


@pytest.mark.parametrize("first", [Fault.CUT, complains_midway], ids=named)
@on_virtual_time
async def test_a_stream_that_has_begun_is_not_replaced(first: Fault | Behaviour) -> None:
    async with pair(first) as fleet:
        async with fleet.post(stream=True) as answer:
            received = await answer.content.readuntil(b"}}\n\n")
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.content.readany()

        assert b'data: {"error":' in received
        assert ["bad"] == [dispatch.server_id for dispatch in fleet.dispatches()]
        assert b"[DONE]" not in received
        assert [Fate.FAILED] == [outcome.fate for outcome in fleet.outcomes()]
        assert not fleet.endings()[0].retryable
        assert_nothing_left(fleet)


@on_virtual_time
async def test_a_request_at_fault_is_told_so_and_tried_nowhere_else() -> None:
    async with pair(Fault.BAD_REQUEST) as fleet:
        async with fleet.post() as answer:
            error = (await answer.json())["error"]

        assert (400, "invalid_request_error") == (answer.status, error["type"])
        assert "The engine cannot serve such a request." == error["message"]
        assert "bad" == answer.headers["x-perllm-server"]
        assert ["bad"] == [dispatch.server_id for dispatch in fleet.dispatches()]
        ending = fleet.endings()[0]
        assert (EndingKind.FAILED, False, False) == (ending.kind, ending.retryable, ending.blame_server)


@on_virtual_time
async def test_a_busy_engine_says_when_to_come_again() -> None:
    async with pair(Fault.TOO_MANY) as fleet:
        async with fleet.post() as answer:
            await answer.read()

        assert 2.0 == fleet.endings()[0].retry_after_s


@on_virtual_time
async def test_when_all_have_failed_the_client_learns_how() -> None:
    async with (
        emulated(Fault.UNAVAILABLE) as one,
        emulated(Fault.RESET) as other,
        running({"one": one, "other": other}, policy="round-robin") as fleet,
    ):
        async with fleet.post() as answer:
            error = (await answer.json())["error"]

        assert (502, "attempts-exhausted") == (answer.status, answer.headers["x-perllm-reason"])
        assert "one: status 503. other: connection" in error["message"]
        assert_nothing_left(fleet)


@on_virtual_time
async def test_the_failed_attempt_is_paid_for_too() -> None:
    async with pair(Fault.UNAVAILABLE) as fleet:
        async with fleet.post() as answer:
            await answer.read()

        failed, completed = fleet.endings()
        outcome = fleet.outcomes()[0]
        assert failed.transmit_j > 0
        assert failed.transmit_j + completed.transmit_j == pytest.approx(outcome.energy.transmit_j)


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.TOO_MANY, Fault.RESET, Fault.WRONG_TYPE], ids=str)
@on_virtual_time
async def test_a_server_that_fails_fast_is_not_taken_for_a_fast_server(fault: Fault) -> None:
    async with (
        emulated(fault) as bad,
        emulated() as good,
        running({"bad": bad, "good": good}, policy="cs-ucb", deadline_s=60.0) as fleet,
    ):
        for number in range(40):
            await virtual_loop().until(float(number))
            async with fleet.post() as answer:
                assert 200 == answer.status

        sent = Counter(dispatch.server_id for dispatch in fleet.dispatches())
        assert 40 == sent["good"]
        assert sent["bad"] < 10


async def test_an_answer_without_end_is_not_kept_in_memory() -> None:
    async def floods(call: Call) -> None:
        await call.answer(b'{"choices": "%s"}' % (b"x" * 2**20))

    settings = GatewaySettings(port=0, max_reply_bytes=2**16)
    async with FakeEngine(floods) as fake, running({"edge": fake.url}, settings=settings) as fleet:
        async with fleet.post() as answer:
            assert 502 == answer.status

        assert "the engine's answer is larger than 65536 bytes" == fleet.endings()[0].detail
        assert_nothing_left(fleet)
