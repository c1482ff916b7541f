"""The gateway between an unmodified OpenAI client and two real llama.cpp engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from openai import APIError, APIStatusError, AsyncOpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionUserMessageParam

from perllm.demo.launcher import Engine, EngineSpec, launch
from perllm.demo.tiny_model import tiny_model
from perllm.demo.tiny_tokenizer import END_OF_TURN_TOKEN
from perllm.domain.action import Fate
from perllm.machines.engines import EngineKind
from tests.unit.gateway.fleet import Fleet, assert_nothing_left, running

NAMES = ("one", "two")
QUESTION: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "What is a slot?"}]
# An answer would else end by chance, perhaps before its first word.
ENDLESS = {"logit_bias": {str(END_OF_TURN_TOKEN): -100}}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model("1m", mean_output_tokens=24.0, seed=1, folder=tmp_path_factory.mktemp("models"))


@asynccontextmanager
async def two_engines(model: Path) -> AsyncIterator[tuple[Fleet, AsyncOpenAI, Sequence[Engine]]]:
    """Two engines that take turns, and a client that never tries twice by itself."""
    specs = [EngineSpec(name="engine-small", model=model, slots=2, slot_tokens=32_768) for _ in NAMES]
    async with (
        launch(specs) as engines,
        running(
            {name: engine.url for name, engine in zip(NAMES, engines, strict=True)},
            kind=EngineKind.LLAMACPP,
            policy="round-robin",
        ) as fleet,
        AsyncOpenAI(base_url=f"{fleet.url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield fleet, client, engines


async def test_plain_chats_go_to_both_engines_and_their_tokens_are_counted(model: Path) -> None:
    async with two_engines(model) as (fleet, client, _):
        answers = [await client.chat.completions.create(model="small", messages=QUESTION) for _ in range(4)]

        told = [answer.usage.completion_tokens for answer in answers if answer.usage]
        assert told == [outcome.output_tokens for outcome in fleet.outcomes()]
        assert set(NAMES) == {outcome.server_id for outcome in fleet.outcomes()}
        usage = fleet.endings()[0].usage
        assert usage is not None
        assert usage.prefill_s is not None
        assert usage.decode_s is not None
        assert_nothing_left(fleet)


@pytest.mark.parametrize("asks_usage", [False, True])
async def test_a_streamed_chat_tells_usage_to_whoever_asks(model: Path, asks_usage: bool) -> None:
    async with two_engines(model) as (fleet, client, _):
        stream = await client.chat.completions.create(
            model="small",
            messages=QUESTION,
            max_tokens=12,
            stream=True,
            stream_options={"include_usage": asks_usage},
            extra_body=ENDLESS,
        )
        chunks = [chunk async for chunk in stream]

        assert 12 == len(words(chunks))
        assert asks_usage is any(chunk.usage is not None for chunk in chunks)
        outcome = fleet.outcomes()[0]
        assert Fate.COMPLETED is outcome.fate
        assert outcome.first_token_at_s is not None
        assert 12 == outcome.output_tokens
        assert_nothing_left(fleet)


async def test_many_streams_in_a_row_meet_no_closed_socket(model: Path) -> None:
    async with two_engines(model) as (fleet, client, _):

        async def streams_in_a_row() -> None:
            for _ in range(25):
                stream = await client.chat.completions.create(
                    model="small", messages=QUESTION, max_tokens=2, stream=True
                )
                await drained(aiter(stream))

        await asyncio.gather(*(streams_in_a_row() for _ in range(4)))

        assert {1} == {outcome.attempts for outcome in fleet.outcomes()}
        assert {Fate.COMPLETED} == {outcome.fate for outcome in fleet.outcomes()}


async def test_completions_and_models_are_served(model: Path) -> None:
    async with two_engines(model) as (_, client, _):
        answer = await client.completions.create(model="small", prompt="go", max_tokens=5, extra_body=ENDLESS)
        models = await client.models.list()

    assert answer.choices[0].text
    assert ["small"] == [one.id for one in models.data]


async def test_a_prompt_that_fits_no_context_is_the_clients_own_fault(model: Path) -> None:
    async with two_engines(model) as (_, client, _):
        with pytest.raises(APIStatusError) as caught:
            await client.chat.completions.create(
                model="small", messages=[{"role": "user", "content": "word " * 60_000}], max_tokens=5
            )

    assert 400 == caught.value.status_code


async def test_a_client_that_leaves_stops_its_engine(model: Path) -> None:
    async with two_engines(model) as (fleet, client, _):
        stream = await client.chat.completions.create(model="small", messages=QUESTION, stream=True, extra_body=ENDLESS)
        await anext(aiter(stream))
        await stream.close()
        await fleet.settled()

        assert [Fate.CANCELLED] == [outcome.fate for outcome in fleet.outcomes()]
        assert_nothing_left(fleet)


async def test_an_engine_killed_midway_is_an_error_and_the_other_goes_on(model: Path) -> None:
    async with two_engines(model) as (fleet, client, engines):
        stream = await client.chat.completions.create(model="small", messages=QUESTION, stream=True, extra_body=ENDLESS)
        seen = aiter(stream)
        await anext(seen)
        await engine_of(fleet, engines).kill()

        with pytest.raises(APIError, match="broke off"):
            await drained(seen)
        answer = await client.chat.completions.create(
            model="small", messages=QUESTION, max_tokens=12, extra_body=ENDLESS
        )

        assert answer.choices[0].message.content
        assert [Fate.FAILED, Fate.COMPLETED] == [outcome.fate for outcome in fleet.outcomes()]
        assert 2 == len({outcome.server_id for outcome in fleet.outcomes()})
        assert_nothing_left(fleet)


async def test_a_dead_engine_is_passed_over(model: Path) -> None:
    async with two_engines(model) as (fleet, client, engines):
        await engines[0].kill()
        calls = [
            client.chat.completions.create(model="small", messages=QUESTION, max_tokens=12, extra_body=ENDLESS)
            for _ in range(4)
        ]

        for answer in await asyncio.gather(*calls):
            assert answer.choices[0].message.content
        assert {"two"} == {outcome.server_id for outcome in fleet.outcomes()}
        assert_nothing_left(fleet)


def words(chunks: Sequence[ChatCompletionChunk]) -> list[str]:
    return [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]


def engine_of(fleet: Fleet, engines: Sequence[Engine]) -> Engine:
    return engines[NAMES.index(fleet.dispatches()[-1].server_id)]


async def drained(stream: AsyncIterator[ChatCompletionChunk]) -> None:
    async for _ in stream:
        pass
