"""Engines are known by what they tell of themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from perllm.machines.discovery import Told, discover
from perllm.machines.engines import EngineKind, Upstream
from perllm.machines.failures import AttemptError
from perllm.machines.http import UpstreamClient
from tests.unit.gateway.engine import Call, FakeEngine

CARD = {"id": "m", "max_model_len": 4096}
METRICS = 'vllm:cache_config_info{block_size="16",cache_dtype="auto",num_gpu_blocks="512"} 1.0\n'


async def told(places: Mapping[str, object]) -> Told:
    """Ask an engine that has these places and no other."""

    async def behave(call: Call) -> None:
        answer = places.get(call.head.split()[1])
        if answer is None:
            await call.answer(b"{}", status="404 Not Found")
        elif isinstance(answer, int):
            await call.answer(b'{"error": "no"}', status=f"{answer} No")
        else:
            await call.answer(answer.encode() if isinstance(answer, str) else json.dumps(answer).encode())

    async with FakeEngine(behave) as fake:
        client = UpstreamClient(
            [Upstream(server_id="e", base_url=f"{fake.url}/v1", kind=EngineKind.OPENAI, models={})], user_agent="test"
        )
        try:
            return await discover(client, "e")
        finally:
            await client.close()


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (
            {
                "/props": {
                    "total_slots": 4,
                    "default_generation_settings": {"n_ctx": 2048},
                    "build_info": "b7",
                }
            },
            Told(kind=EngineKind.LLAMACPP, version="b7", models=("m",), slots=4, context_tokens=2048),
        ),
        (
            {"/version": {"version": "0.12.0"}, "/metrics": METRICS},
            Told(kind=EngineKind.VLLM, version="0.12.0", models=("m",), context_tokens=4096, kv_tokens=8192),
        ),
        (
            {
                "/get_server_info": {
                    "version": "0.5",
                    "max_total_num_tokens": 9000,
                    "max_running_requests": 64,
                    "context_length": 8192,
                }
            },
            Told(
                kind=EngineKind.SGLANG,
                version="0.5",
                models=("m",),
                slots=64,
                context_tokens=8192,
                kv_tokens=9000,
            ),
        ),
        ({"/api/version": {"version": "0.6"}}, Told(kind=EngineKind.OLLAMA, version="0.6", models=("m",))),
        ({}, Told(kind=EngineKind.OPENAI, models=("m",), context_tokens=4096)),
        # What is not shaped as it should be is as good as not told.
        (
            {"/props": [1], "/version": "none", "/metrics": METRICS},
            Told(kind=EngineKind.OPENAI, models=("m",), context_tokens=4096),
        ),
    ],
)
async def test_every_kind_is_known_by_a_place_of_its_own(places: dict[str, object], expected: Told) -> None:
    assert expected == await told({"/v1/models": {"data": [CARD]}, **places})


async def test_an_engine_that_lists_nothing_is_still_an_engine() -> None:
    assert Told(kind=EngineKind.OPENAI) == await told({})


async def test_a_key_that_is_refused_is_an_error() -> None:
    with pytest.raises(AttemptError) as caught:
        await told({"/v1/models": 401})

    assert 401 == caught.value.status
