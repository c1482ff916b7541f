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
# vLLM 0.32.0 on a CPU, most of its labels left out.
CARD_0_32 = {
    "id": "m",
    "object": "model",
    "created": 1795561847,
    "owned_by": "vllm",
    "root": "models/m",
    "parent": None,
    "max_model_len": 4096,
    "permission": [{"id": "modelperm-a26e1bd53b9eb88d", "allow_sampling": True, "organization": "*", "group": None}],
}
METRICS_0_32 = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 0.0
# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{_block_size_resolved="True",block_size="128",cache_dtype="auto",\
effective_attention_block_size="128",enable_prefix_caching="True",engine="0",gpu_memory_utilization="0.92",\
hash_block_size="None",kv_cache_max_concurrency="51.1875",kv_cache_memory_bytes="1073741824",\
kv_cache_size_tokens="209664",mamba_block_size="None",num_cpu_blocks="None",num_gpu_blocks="1638",\
num_gpu_blocks_override="None",sliding_window="None"} 1.0
"""
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


@pytest.mark.parametrize("told_tokens", [209_664, 104_832])
async def test_vllm_is_known_by_its_own_words_whatever_its_blocks_come_to(told_tokens: int) -> None:
    metrics = METRICS_0_32.replace("209664", str(told_tokens))
    places = {"/v1/models": {"object": "list", "data": [CARD_0_32]}, "/version": {"version": "0.32.0"}}

    found = await told({**places, "/metrics": metrics})

    assert found == Told(
        kind=EngineKind.VLLM, version="0.32.0", models=("m",), context_tokens=4096, kv_tokens=told_tokens
    )


async def test_an_engine_that_lists_nothing_is_still_an_engine() -> None:
    assert Told(kind=EngineKind.OPENAI) == await told({})


async def test_a_key_that_is_refused_is_an_error() -> None:
    with pytest.raises(AttemptError) as caught:
        await told({"/v1/models": 401})

    assert 401 == caught.value.status
