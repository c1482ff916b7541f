"""The emulated engine as its clients meet it: over real sockets, on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from aiohttp import ClientPayloadError, ClientSession

from perllm.domain.profile import PowerProfile
from perllm.simulation.trouble import Outage
from tests.parity.virtual_loop import virtual_loop
from tests.unit.emulator.talking import SETTINGS, TRUTH, ask, chat
from tests.unit.simulation.machines import SERVER

# As worked out for the engine model: the prompt is read, and the last token is there, after so many seconds.
FIRST_S, LAST_S, JOULES = 0.1275, 0.3375, 40 * 0.101 + 20 * 0.21


def events_of(stream: bytes) -> list[Any]:
    *events, done, rest = stream.split(b"\n\n")
    assert (b"data: [DONE]", b"") == (done, rest)
    return [msgspec.json.decode(event.removeprefix(b"data: ")) for event in events]


def test_a_plain_answer_comes_in_its_time_with_its_usage() -> None:
    async def talk(session: ClientSession, url: str) -> tuple[int, Any, float]:
        async with session.post(f"{url}/chat/completions", json=chat()) as answer:
            return answer.status, await answer.json(), virtual_loop().time()

    status, body, at_s = ask(talk)

    assert 200 == status
    assert pytest.approx(0.117 + 0.21 + 0.01071) == at_s
    assert 11 * " word" == body["choices"][0]["message"]["content"]
    assert ("stop", "chat.completion") == (body["choices"][0]["finish_reason"], body["object"])
    assert {
        "prompt_tokens": 100,
        "completion_tokens": 11,
        "total_tokens": 111,
        "energy_j": pytest.approx(JOULES, rel=1e-12),
        "energy_method": "modelled",
    } == body["usage"]


def test_a_stream_has_one_event_for_each_token_then_the_reason_then_usage_if_asked() -> None:
    for options, usages in (({}, 0), ({"stream_options": {"include_usage": True}}, 1)):

        async def talk(session: ClientSession, url: str, options: Any = options) -> list[Any]:
            async with session.post(f"{url}/chat/completions", json=chat(stream=True, **options)) as answer:
                assert "text/event-stream" == answer.content_type
                return events_of(await answer.read())

        events = ask(talk)
        choices = [choice for event in events for choice in event["choices"]]

        assert 12 + usages == len(events)
        assert [" word"] * 11 + [None] == [choice["delta"].get("content") for choice in choices]
        assert [None] * 11 + ["stop"] == [choice["finish_reason"] for choice in choices]
        assert usages == sum("usage" in event for event in events)
        assert {"chat.completion.chunk"} == {event["object"] for event in events}


def test_an_engine_whose_watts_are_not_known_tells_no_joules() -> None:
    nothing = PowerProfile(idle_w=0.0, prefill_w=0.0, decode_w=0.0, decode_full_w=0.0)

    async def talk(session: ClientSession, url: str) -> Any:
        async with session.post(f"{url}/chat/completions", json=chat()) as answer:
            return (await answer.json())["usage"]

    told = ask(talk, replace(SETTINGS, server=msgspec.structs.replace(SERVER, power=nothing)))

    assert {"prompt_tokens": 100, "completion_tokens": 11, "total_tokens": 111} == told


def test_completions_speak_their_own_dialect() -> None:
    async def talk(session: ClientSession, url: str) -> tuple[Any, list[Any]]:
        call = {"model": "m", "prompt": "Once", "max_tokens": 3, "emulate": TRUTH}
        async with session.post(f"{url}/completions", json=call) as answer:
            plain = await answer.json()
        async with session.post(f"{url}/completions", json={**call, "stream": True}) as answer:
            return plain, events_of(await answer.read())

    plain, events = ask(talk)

    assert (" word" * 3, "length") == (plain["choices"][0]["text"], plain["choices"][0]["finish_reason"])
    assert " word" * 3 == "".join(event["choices"][0]["text"] for event in events)
    assert {"text_completion"} == {plain["object"], *(event["object"] for event in events)}


def test_tokens_leave_in_bursts_as_often_as_set() -> None:
    async def talk(session: ClientSession, url: str) -> list[float]:
        came = set()
        async with session.post(f"{url}/chat/completions", json=chat(stream=True)) as answer:
            async for _ in answer.content.iter_any():
                came.add(virtual_loop().time())
        return sorted(came)

    paced = ask(talk, replace(SETTINGS, frames_every_s=0.05))

    assert [FIRST_S, FIRST_S + 0.05, FIRST_S + 0.1, FIRST_S + 0.15, FIRST_S + 0.2, LAST_S] == pytest.approx(paced)


def test_a_client_that_leaves_gives_its_slot_back_at_once() -> None:
    async def talk(session: ClientSession, url: str) -> float:
        long = {**TRUTH, "output_tokens": 100_000}
        leaver = asyncio.ensure_future(session.post(f"{url}/chat/completions", json=chat(emulate=long, stream=False)))
        await virtual_loop().until(1.0)
        leaver.cancel()
        async with session.post(f"{url}/chat/completions", json=chat()) as answer:
            await answer.read()
        return virtual_loop().time()

    assert pytest.approx(1.0 + 0.117 + 0.21 + 0.01071) == ask(talk, replace(SETTINGS, server=one_slot()))


def one_slot() -> Any:
    return msgspec.structs.replace(SERVER, slots=1)


def test_a_server_that_is_out_answers_503_and_cuts_what_it_has_begun() -> None:
    outage = Outage(server_id="edge", from_s=0.2, to_s=5.0)

    async def talk(session: ClientSession, url: str) -> tuple[int, int, bytes]:
        async with session.post(f"{url}/chat/completions", json=chat(stream=True)) as begun:
            with pytest.raises(ClientPayloadError):
                await begun.read()
        async with session.post(f"{url}/chat/completions", json=chat()) as late:
            body = await late.read()
        async with session.get(url.replace("/v1", "/health")) as health:
            return late.status, health.status, body

    status, health, body = ask(talk, outages=[outage])

    assert (503, 503) == (status, health)
    assert "unavailable" == msgspec.json.decode(body)["error"]["code"]


@pytest.mark.parametrize(
    ("call", "status", "param"),
    [
        ({"model": "other"}, 404, "model"),
        ({"stream": "yes"}, 400, "stream"),
        ({"emulate": {"output_token": 3}}, 400, "emulate"),
        ({"emulate": {"output_tokens": 0}}, 400, "emulate"),
        ({"emulate": {"fault": "stall"}}, 400, "emulate"),
        ({"emulate": {"fault": "late", "late_s": -1}}, 400, "emulate"),
        ({"emulate": []}, 400, "emulate"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(call: dict[str, Any], status: int, param: str) -> None:
    async def talk(session: ClientSession, url: str) -> tuple[int, Any]:
        async with session.post(f"{url}/chat/completions", json=chat(**call)) as answer:
            return answer.status, await answer.json()

    answered, body = ask(talk)

    assert (status, param) == (answered, body["error"]["param"])


def test_models_and_health_are_told() -> None:
    async def talk(session: ClientSession, url: str) -> tuple[Any, int]:
        async with session.get(f"{url}/models") as models, session.get(url.replace("/v1", "/health")) as health:
            return await models.json(), health.status

    models, health = ask(talk)

    assert (["m"], 200) == ([model["id"] for model in models["data"]], health)


def test_lengths_that_are_not_told_are_drawn_and_the_same_for_the_same_seed() -> None:
    async def talk(session: ClientSession, url: str) -> list[int]:
        tokens = []
        for _ in range(10):
            async with session.post(f"{url}/chat/completions", json=chat(emulate={})) as answer:
                tokens.append((await answer.json())["usage"]["completion_tokens"])
        return tokens

    drawn = ask(talk)

    assert drawn == ask(talk)
    assert drawn != ask(talk, replace(SETTINGS, seed=1))
    assert len(set(drawn)) > 5
