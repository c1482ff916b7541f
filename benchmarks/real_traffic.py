"""Chat-like traffic for real engines: arrivals and lengths drawn once, so that every repeat gets the very same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pydoc_data.topics import topics
from typing import Any

import aiohttp
import numpy as np

MODEL = "tiny"
# Lengths in tokens: median, spread of the logarithm, least, most. Chat-like in shape (ShareGPT: most prompts short, a
# long tail), small enough for engines that have a third of a core.
PROMPT = (80.0, 0.8, 24, 500)
ANSWER = (64.0, 0.6, 8, 256)
STREAM_FRACTION = 0.6
# What the tiny tokenizer makes of its own documentation's words, and the chat template around them.
_TOKENS_PER_WORD = 1.6
_FRAME_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, at an instant counted from the start."""

    at_s: float
    stream: bool
    words: int
    answer_tokens: int

    @property
    def service(self) -> str:
        """Who reads along is of another service than who waits for the whole."""
        return "chat" if self.stream else "assist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a client saw."""

    status: int
    took_s: float


def draw(seed: int, rate_per_s: float, seconds: float) -> list[Call]:
    """Draw Poisson arrivals over some time."""
    rng = np.random.default_rng(seed)
    calls: list[Call] = []
    at_s = rng.exponential(1.0 / rate_per_s)
    while at_s < seconds:
        words = max(round((_length(rng, PROMPT) - _FRAME_TOKENS) / _TOKENS_PER_WORD), 1)
        stream = bool(rng.random() < STREAM_FRACTION)
        calls.append(Call(at_s=at_s, stream=stream, words=words, answer_tokens=_length(rng, ANSWER)))
        at_s += rng.exponential(1.0 / rate_per_s)
    return calls


class Clients:
    """Makes calls. Each has a prompt that no other begins like, so that no prefix is ever known."""

    def __init__(self, session: aiohttp.ClientSession, address: str, seed: int) -> None:
        self._session = session
        self._url = f"{address}/v1/chat/completions"
        self._rng = np.random.default_rng([seed, time.monotonic_ns()])
        self._words = sorted({word for text in topics.values() for word in text.split() if word.isalpha()})

    async def play(self, calls: Sequence[Call]) -> list[Answered]:
        """Make every call at its instant, whatever became of the others, and wait for all answers."""
        clock = asyncio.get_running_loop().time
        bodies = [self._body(call) for call in calls]
        began_at_s = clock()
        tasks = []
        async with asyncio.TaskGroup() as group:
            for call, body in zip(calls, bodies, strict=True):
                await asyncio.sleep(began_at_s + call.at_s - clock())
                tasks.append(group.create_task(self._make(call, body)))
        return [task.result() for task in tasks]

    async def saturate(self, calls: Sequence[Call], at_once: int, seconds: float) -> float:
        """Keep so many calls open for some time; return how many a second were answered, but for the first third."""
        clock = asyncio.get_running_loop().time
        began_at_s, ends_s, waiting = clock(), [], iter(calls)

        async def one_after_another() -> None:
            for call in waiting:
                if clock() - began_at_s > seconds:
                    return
                await self._make(call, self._body(call))
                ends_s.append(clock() - began_at_s)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_another())
        counted = [end_s for end_s in ends_s if seconds / 3 < end_s <= seconds]
        return len(counted) / (seconds * 2 / 3)

    async def one(self, call: Call) -> float:
        """Make one call and return how long it took."""
        return (await self._make(call, self._body(call))).took_s

    def _body(self, call: Call) -> dict[str, Any]:
        words = self._rng.integers(len(self._words), size=call.words)
        nonce = self._rng.integers(2**40)
        return {
            "model": MODEL,
            "messages": [{"role": "user", "content": f"{nonce:x} {' '.join(self._words[word] for word in words)}"}],
            "max_tokens": call.answer_tokens,
            "ignore_eos": True,
            "stream": call.stream,
        }

    async def _make(self, call: Call, body: dict[str, Any]) -> Answered:
        clock = asyncio.get_running_loop().time
        sent_at_s = clock()
        async with self._session.post(self._url, json=body, headers={"x-perllm-service": call.service}) as reply:
            await reply.read()
            return Answered(status=reply.status, took_s=clock() - sent_at_s)


@asynccontextmanager
async def clients(address: str, seed: int) -> AsyncIterator[Clients]:
    """Make clients of one address, each call on a socket of its own."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as session:
        yield Clients(session, address, seed)


def _length(rng: np.random.Generator, shape: tuple[float, float, int, int]) -> int:
    median, spread, least, most = shape
    return int(np.clip(round(median * np.exp(spread * rng.standard_normal())), least, most))
