"""A model that is not in memory is loaded by the first request that needs it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession

from perllm.emulator.faults import Fault
from perllm.emulator.loading import Loading
from tests.parity.virtual_loop import virtual_loop
from tests.unit.emulator.talking import SETTINGS, TRUTH, ask, chat

PLAIN_S = 0.117 + 0.21 + 0.01071
COLD = replace(SETTINGS, loading=Loading(load_s=4.0, cold=True))
SLEEPY = replace(SETTINGS, loading=Loading(load_s=4.0, unload_after_s=60.0))


async def finish(session: ClientSession, url: str, **wishes: Any) -> float:
    """Make a call and say how long it took."""
    begun_at_s = virtual_loop().time()
    async with session.post(f"{url}/chat/completions", json=chat(emulate={**TRUTH, **wishes})) as answer:
        await answer.read()
        assert 200 == answer.status
    return virtual_loop().time() - begun_at_s


async def health(session: ClientSession, url: str) -> tuple[int, Any]:
    async with session.get(url.replace("/v1", "/health")) as answer:
        return answer.status, await answer.json()


def test_the_first_request_after_a_cold_start_waits_for_the_load_and_the_next_does_not() -> None:
    async def talk(session: ClientSession, url: str) -> list[float]:
        return [await finish(session, url), await finish(session, url)]

    assert [pytest.approx(4.0 + PLAIN_S), pytest.approx(PLAIN_S)] == ask(talk, COLD)


def test_who_comes_during_a_load_shares_it() -> None:
    async def talk(session: ClientSession, url: str) -> float:
        first = asyncio.ensure_future(finish(session, url))
        await virtual_loop().until(3.0)
        second_s = await finish(session, url, fault=Fault.SLOW_LOAD)
        await first
        return second_s

    assert pytest.approx(1.0 + PLAIN_S, abs=0.3) == ask(talk, COLD)


def test_health_tells_of_the_load_as_llamacpp_does_and_of_nothing_before_it() -> None:
    async def talk(session: ClientSession, url: str) -> list[tuple[int, Any]]:
        told = [await health(session, url)]
        call = asyncio.ensure_future(finish(session, url))
        await virtual_loop().until(2.0)
        told.append(await health(session, url))
        await call
        return [*told, await health(session, url)]

    fine = (200, {"status": "ok"})
    loading = (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
    assert [fine, loading, fine] == ask(talk, COLD)


def test_a_load_goes_on_when_the_client_who_asked_for_it_has_left() -> None:
    async def talk(session: ClientSession, url: str) -> float:
        leaver = asyncio.ensure_future(finish(session, url))
        await virtual_loop().until(1.0)
        leaver.cancel()
        await virtual_loop().until(3.0)
        return await finish(session, url)

    assert pytest.approx(1.0 + PLAIN_S) == ask(talk, COLD)


@pytest.mark.parametrize(("pause_s", "load_s"), [(59.0, 0.0), (61.0, 4.0)])
def test_a_model_that_was_idle_for_long_is_loaded_anew(pause_s: float, load_s: float) -> None:
    async def talk(session: ClientSession, url: str) -> float:
        await finish(session, url)
        await virtual_loop().until(virtual_loop().time() + pause_s)
        return await finish(session, url)

    assert pytest.approx(load_s + PLAIN_S) == ask(talk, SLEEPY)


def test_a_model_at_work_is_not_idle_however_long_it_takes() -> None:
    async def talk(session: ClientSession, url: str) -> float:
        long = asyncio.ensure_future(finish(session, url, output_tokens=10_000))
        await virtual_loop().until(100.0)
        short_s = await finish(session, url)
        await long
        return short_s

    assert ask(talk, SLEEPY) < 4.0


def test_a_load_that_nobody_waits_for_any_more_is_followed_by_idleness() -> None:
    hasty = replace(SETTINGS, loading=Loading(load_s=4.0, cold=True, unload_after_s=1.0))

    async def talk(session: ClientSession, url: str) -> list[float]:
        leaver = asyncio.ensure_future(finish(session, url))
        await virtual_loop().until(0.5)
        leaver.cancel()
        await virtual_loop().until(4.5)
        in_time = await finish(session, url)
        await virtual_loop().until(virtual_loop().time() + 1.5)
        return [in_time, await finish(session, url)]

    assert [pytest.approx(PLAIN_S), pytest.approx(4.0 + PLAIN_S)] == ask(talk, hasty)


def test_a_refusal_wakes_no_model() -> None:
    async def talk(session: ClientSession, url: str) -> tuple[int, Any]:
        call = chat(emulate={**TRUTH, "fault": "429"})
        async with session.post(f"{url}/chat/completions", json=call) as answer:
            assert 429 == answer.status
        return await health(session, url)

    assert 200 == ask(talk, COLD)[0]
