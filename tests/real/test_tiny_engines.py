"""Real llama.cpp engines on tiny models, as an unmodified OpenAI client meets them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import mean
from typing import Any

import aiohttp
import pytest
from openai import APIConnectionError, AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionUserMessageParam

from perllm.demo.launcher import Engine, EngineSpec, launch
from perllm.demo.tiny_model import tiny_model
from perllm.demo.tiny_tokenizer import END_OF_TURN_TOKEN
from perllm.demo.tiny_weights import bias_for_mean
from perllm.errors import UpstreamError

MEAN_TOKENS = 24.0
LIMIT_S = 4.0
QUESTION: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "What is a slot?"}]
ENDLESS = {"prompt": "go", "stream": True, "ignore_eos": True}
# A parent that tells where its engine is and then waits for ever.
PARENT = """
import asyncio, json, sys
from pathlib import Path
from perllm.demo.launcher import EngineSpec, launch

async def main():
    spec = EngineSpec(name="tiny", model=Path(sys.argv[1]), slots=1, slot_tokens=32_768)
    async with launch([spec]) as engines:
        print(json.dumps({"pid": engines[0].pid, "url": engines[0].url}), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return tiny_model("1m", mean_output_tokens=MEAN_TOKENS, seed=1, folder=folder)


@pytest.fixture
async def engine(model: Path) -> AsyncIterator[Engine]:
    spec = EngineSpec(name="tiny", model=model, slots=2, slot_tokens=32_768)
    async with launch([spec]) as engines:
        yield engines[0]


@asynccontextmanager
async def client_of(engine: Engine) -> AsyncIterator[AsyncOpenAI]:
    """Give a client that opens a connection per request.

    After a stream the engine closes its socket although it has advertised to keep it.
    """
    async with AsyncOpenAI(
        base_url=f"{engine.url}/v1",
        api_key="none",
        max_retries=0,
        default_headers={"Connection": "close"},
    ) as client:
        yield client


async def ask(client: AsyncOpenAI, seed: int, *, bias: float = 0.0) -> ChatCompletion:
    return await client.chat.completions.create(
        model="tiny",
        messages=QUESTION,
        seed=seed,
        extra_body={"logit_bias": {str(END_OF_TURN_TOKEN): bias}},
    )


async def mean_length_tokens(client: AsyncOpenAI, *, bias: float) -> float:
    answers = [await ask(client, seed, bias=bias) for seed in range(200)]
    return mean(answer.usage.completion_tokens for answer in answers if answer.usage)


async def call(engine: Engine, path: str, body: dict[str, Any] | None = None) -> Any:
    method = "POST" if body else "GET"
    async with aiohttp.request(method, engine.url + path, json=body) as response:
        return await response.json()


async def busy_slots(engine: Engine) -> int:
    return sum(slot["is_processing"] for slot in await call(engine, "/slots"))


async def gone(pid: int) -> None:
    """Wait until a process that is no child of ours has ended."""
    descriptor = os.pidfd_open(pid)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(LIMIT_S):
            await ended.wait()
    except TimeoutError:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        raise
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


async def test_a_plain_chat_is_answered_in_printable_text(engine: Engine) -> None:
    async with client_of(engine) as client:
        answer = await ask(client, 1)

    text = answer.choices[0].message.content or ""
    assert "stop" == answer.choices[0].finish_reason
    assert text.isascii()
    assert text.isprintable()


async def test_a_streamed_chat_says_the_same_and_ends_with_its_usage(engine: Engine) -> None:
    async with client_of(engine) as client:
        whole = await ask(client, 2)
        stream = await client.chat.completions.create(
            model="tiny", messages=QUESTION, seed=2, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]

    pieces = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert whole.choices[0].message.content == "".join(pieces)
    assert whole.usage
    assert chunks[-1].usage
    assert whole.usage.completion_tokens == chunks[-1].usage.completion_tokens


async def test_lengths_follow_the_mean_of_the_model(engine: Engine) -> None:
    async with client_of(engine) as client:
        assert pytest.approx(MEAN_TOKENS, rel=0.3) == await mean_length_tokens(client, bias=0.0)


async def test_a_bias_on_the_end_of_turn_sets_another_mean(engine: Engine) -> None:
    async with client_of(engine) as client:
        bias = bias_for_mean(MEAN_TOKENS, 6.0)

        assert pytest.approx(6.0, rel=0.3) == await mean_length_tokens(client, bias=bias)


@pytest.mark.parametrize("text", ["héllo 中文 🎉 مرحبا", "\x01~ \r\n\t  x  y 1234 it's", "<b>a\u0301</b>"])
async def test_any_text_survives_the_tokenizer(engine: Engine, text: str) -> None:
    tokens = (await call(engine, "/tokenize", {"content": text}))["tokens"]

    assert {"content": text} == await call(engine, "/detokenize", {"tokens": tokens})


async def test_a_client_that_leaves_gives_its_slot_back(engine: Engine) -> None:
    async with client_of(engine) as client:
        endless = await client.chat.completions.create(
            model="tiny",
            messages=QUESTION,
            stream=True,
            extra_body={"logit_bias": {str(END_OF_TURN_TOKEN): -100}},
        )
        await anext(aiter(endless))
        assert 1 == await busy_slots(engine)

        await endless.close()

        async with asyncio.timeout(1.0):
            while await busy_slots(engine):
                pass


async def test_a_killed_engine_answers_no_more(engine: Engine) -> None:
    await engine.kill()

    async with client_of(engine) as client:
        with pytest.raises(APIConnectionError):
            await ask(client, 1)


async def test_engines_stop_when_the_block_ends(model: Path) -> None:
    specs = [EngineSpec(name=name, model=model, slots=1, slot_tokens=512) for name in ("one", "two")]

    async with launch(specs) as engines:
        urls = {engine.url for engine in engines}
        endings = [asyncio.create_task(gone(engine.pid)) for engine in engines]
        await asyncio.sleep(0)

    assert 2 == len(urls)
    await asyncio.gather(*endings)


async def test_an_engine_dies_with_its_parent_even_while_it_answers(model: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PARENT, str(model)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout
    told = json.loads(await parent.stdout.readline())
    async with aiohttp.request("POST", told["url"] + "/completion", json=ENDLESS) as answer:
        await answer.content.readline()
        ending = asyncio.create_task(gone(told["pid"]))
        parent.kill()
        await parent.wait()

        await ending


async def test_an_engine_that_cannot_load_its_model_says_why(tmp_path: Path) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(b"junk")

    with pytest.raises(UpstreamError, match=r"(?s)'tiny': died while starting.*cannot serve .*junk.gguf"):
        async with launch([EngineSpec(name="tiny", model=junk, slots=1, slot_tokens=512)]):
            pass


async def test_an_engine_that_takes_too_long_is_given_up(model: Path) -> None:
    spec = EngineSpec(name="tiny", model=model, slots=1, slot_tokens=512)

    with pytest.raises(UpstreamError, match=r"'tiny': not ready after 0\.001 s"):
        async with launch([spec], limit_s=0.001):
            pass
