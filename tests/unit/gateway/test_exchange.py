"""What goes to the engine, what comes back to the client, and what the brain learns of it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perllm.domain.attempt import EndingKind, Progress, Stage, Usage
from perllm.domain.energy import EnergyMethod
from perllm.domain.request import Request, Requirement
from perllm.domain.service import Service, WhenLate
from perllm.gateway import relay
from perllm.scheduling.policies.least_outstanding import LeastOutstanding
from tests.parity.virtual_loop import run_virtual, virtual_loop
from tests.unit.gateway import engine
from tests.unit.gateway.engine import Call, FakeEngine
from tests.unit.gateway.fleet import Fleet, assert_nothing_left, running

ENGINE_KEY = "the-engines-own-key"


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeEngine]:
    async with FakeEngine(engine.fine) as fake:
        yield fake


@pytest_asyncio.fixture
async def fleet(fake: FakeEngine) -> AsyncIterator[Fleet]:
    async with running({"edge": fake.url}) as fleet:
        yield fleet


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_the_head_explains_the_decision(fleet: Fleet, stream: bool) -> None:
    async with fleet.post(stream=stream, headers={"x-request-id": "mine"}) as answer:
        await answer.read()

    dispatch = fleet.dispatches()[0]
    assert dispatch.predicted_total_s is not None
    assert {
        "x-request-id": "mine",
        "x-perllm-server": "edge",
        "x-perllm-tier": "edge",
        "x-perllm-service": "chat",
        "x-perllm-reason": "feasible",
        "x-perllm-predicted-ms": f"{dispatch.predicted_total_s * 1000:.0f}",
        "x-perllm-predicted-energy-j": f"{dispatch.predicted_energy_j:.4g}",
        "x-perllm-attempts": "1",
    } == {
        name.lower(): value
        for name, value in answer.headers.items()
        if name.lower().startswith(("x-perllm", "x-request-id"))
    }
    assert ("text/event-stream" if stream else "application/json") == answer.content_type


async def test_the_engine_gets_the_call_with_its_own_name_of_the_model(fleet: Fleet, fake: FakeEngine) -> None:
    async with fleet.post(temperature=0.25, unheard_of={"a": [1]}) as answer:
        await answer.read()

    sent = fake.calls[0].json
    assert ("engine-small", 0.25, {"a": [1]}) == (sent["model"], sent["temperature"], sent["unheard_of"])


async def test_the_engine_learns_the_id_and_the_trace_but_no_secret(fleet: Fleet, fake: FakeEngine) -> None:
    headers = {"x-request-id": "mine", "traceparent": "00-1-2-01", "authorization": "Bearer clients", "cookie": "a=b"}
    async with fleet.post(headers=headers) as answer:
        await answer.read()

    told = fake.calls[0].head.lower()
    assert "x-request-id: mine\r\n" in told
    assert "traceparent: 00-1-2-01\r\n" in told
    assert "clients" not in told
    assert "cookie" not in told


async def test_an_id_that_a_client_repeats_is_told_apart(fleet: Fleet) -> None:
    for _ in range(2):
        async with fleet.post(headers={"x-request-id": "mine"}) as answer:
            assert "mine" == answer.headers["x-request-id"]

    ids = {outcome.request_id for outcome in fleet.outcomes()}
    assert 2 == len(ids)
    assert all(request_id.startswith("mine~") for request_id in ids)


async def test_usage_is_asked_of_the_engine_and_kept_from_a_client_who_did_not_ask(fleet: Fleet) -> None:
    async with fleet.post(stream=True) as answer:
        body = await answer.text()

    assert "usage" not in body
    assert Usage(prompt_tokens=7, output_tokens=3) == fleet.endings()[0].usage


async def test_usage_goes_to_a_client_who_asks(fleet: Fleet) -> None:
    async with fleet.post(stream=True, stream_options={"include_usage": True}) as answer:
        body = await answer.text()

    assert json.dumps(engine.USAGE) in body


async def test_completions_are_served_like_chats(fleet: Fleet, fake: FakeEngine) -> None:
    async with fleet.post("completions", prompt="hello") as answer:
        assert 200 == answer.status

    assert fake.calls[0].head.startswith("POST /v1/completions ")


async def test_what_the_brain_is_told_of_a_request(fleet: Fleet) -> None:
    async with fleet.post(max_tokens=5, n=2, user="ann", headers={"x-perllm-requirement-ms": "2500"}) as answer:
        await answer.read()

    request = next(entry.value for entry in fleet.entries if isinstance(entry.value, Request))
    assert ("chat", "small", 10, False, "ann") == (
        request.service,
        request.model,
        request.max_output_tokens,
        request.stream,
        request.session,
    )
    assert Requirement(total_s=2.5) == request.requirement
    assert len("hello there") == request.prompt_bytes
    assert request.payload_bytes > request.prompt_bytes


async def test_joules_that_an_engine_tells_are_believed() -> None:
    async def tells(call: Call) -> None:
        await call.answer(engine.plain_body(usage={**engine.USAGE, "energy_j": 4.5}))

    async with FakeEngine(tells) as fake, running({"edge": fake.url}) as fleet:
        async with fleet.post() as answer:
            await answer.read()

        ending = fleet.endings()[0]
        assert (4.5, EnergyMethod.MEASURED) == (ending.infer_j, ending.energy_method)


async def test_joules_that_no_engine_tells_are_declared(fleet: Fleet) -> None:
    async with fleet.post() as answer:
        await answer.read()

    ending = fleet.endings()[0]
    assert EnergyMethod.DECLARED is ending.energy_method
    assert ending.infer_j is not None
    assert ending.infer_j > 0.0


async def test_joules_that_an_engine_only_models_are_not_shown_as_measured() -> None:
    async def tells(call: Call) -> None:
        await call.answer(engine.plain_body(usage={**engine.USAGE, "energy_j": 4.5, "energy_method": "modelled"}))

    async with FakeEngine(tells) as fake, running({"edge": fake.url}) as fleet:
        async with fleet.post() as answer:
            await answer.read()
        ending = fleet.endings()[0]

    assert (4.5, EnergyMethod.MODELLED) == (ending.infer_j, ending.energy_method)


async def test_bytes_both_ways_cost_transmission(fleet: Fleet, fake: FakeEngine) -> None:
    async with fleet.post() as answer:
        received = len(await answer.read())

    assert (len(fake.calls[0].body) + received) * 1e-6 == pytest.approx(fleet.endings()[0].transmit_j)


FIRST = (0.0, Progress(stage=Stage.FIRST_TOKEN, tokens=1))


def reported() -> list[tuple[float, Progress]]:
    """Return what the brain is told of a stream of 25 tokens, ten a second."""

    async def dribbles(call: Call) -> None:
        await call.send(engine.STREAM_HEAD)
        for number in range(25):
            await virtual_loop().until(number / 10)
            await call.send_chunk(engine.chunk("word"))
        await call.send_chunk(engine.event(b"[DONE]"))
        await call.send(b"0\r\n\r\n")

    async def main() -> list[tuple[float, Progress]]:
        async with FakeEngine(dribbles) as fake, running({"edge": fake.url}) as fleet:
            async with fleet.post(stream=True) as answer:
                await answer.read()
            return [(entry.at_s, entry.value) for entry in fleet.entries if isinstance(entry.value, Progress)]

    return run_virtual(main())


def test_a_policy_that_watches_is_told_the_first_token_and_then_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeastOutstanding, "watches", True)

    later = [(1.0, Progress(stage=Stage.TOKENS, tokens=11)), (2.0, Progress(stage=Stage.TOKENS, tokens=21))]
    assert [FIRST, *later] == reported()


def test_a_policy_that_does_not_is_told_the_first_token() -> None:
    assert [FIRST] == reported()


async def test_a_slow_reader_is_no_slow_server() -> None:
    words, heard = ["word" * 50] * 2000, asyncio.Event()

    async def talks(call: Call) -> None:
        await engine.stream_words(call, words[:1])
        await heard.wait()
        for word in words[1:]:
            await call.send_chunk(engine.chunk(word))
        await call.send_chunk(engine.event(b"[DONE]"))
        await call.send(b"0\r\n\r\n")

    async with FakeEngine(talks) as fake, running({"edge": fake.url}) as fleet:
        with little_window() as sock:
            await asyncio.get_running_loop().sock_connect(sock, fleet.address)
            reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
            body = json.dumps({"model": "small", "messages": [{"role": "user", "content": "hi"}], "stream": True})
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write((head + body).encode())
            await reader.readline()
            shrink_send_buffers(fleet)
            heard.set()
            await fleet.settled()  # although all but a line is still to be read

            assert len(words) == fleet.endings()[0].output_tokens
            writer.close()


async def test_a_fault_of_our_own_is_no_servers_fault(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    def render_nothing(*_: object, **__: object) -> bytes:
        raise RuntimeError("a bug")

    monkeypatch.setattr(relay, "render_upstream", render_nothing)
    async with fleet.post() as answer:
        error = (await answer.json())["error"]

    assert (500, "server_error") == (answer.status, error["type"])
    ending = fleet.endings()[0]
    assert (EndingKind.FAILED, False, False) == (ending.kind, ending.retryable, ending.blame_server)
    assert_nothing_left(fleet)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_late_attempt_is_stopped_where_the_service_says_so(stream: bool) -> None:
    service = Service(name="chat", requirement=Requirement(total_s=0.2), when_late=WhenLate.CANCEL)
    async with FakeEngine(engine.stalls_before_head) as fake, running({"edge": fake.url}, services=[service]) as fleet:
        async with fleet.post(stream=stream) as answer:
            error = (await answer.json())["error"]
        await fake.left.wait()

        assert (504, "timed-out") == (answer.status, answer.headers["x-perllm-reason"])
        assert "timeout_error" == error["type"]
        assert_nothing_left(fleet)


def little_window() -> socket.socket:
    """Return a socket that takes little ahead of its reader."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    return sock


def shrink_send_buffers(fleet: Fleet) -> None:
    """Let the kernel keep little of what the gateway writes."""
    for connection in fleet.gateway._listener.connections:
        assert connection.transport is not None
        sock = connection.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
