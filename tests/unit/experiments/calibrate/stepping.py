"""An engine that walks through its steps one by one on virtual time, by the whole formula, over a real socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from perllm.costs.time import attention_pairs, step_overheads_s
from perllm.domain.profile import Batching, SpeedProfile
from tests.parity.harness import serve
from tests.parity.virtual_loop import virtual_loop
from tests.unit.gateway.engine import chunk, event

WORD_TOKENS = 2


@dataclass(slots=True, kw_only=True, eq=False)
class Sequence:
    """A prompt and its answer. `known` tokens of the prompt are read already; `left` tokens are still to come."""

    prompt: str
    tokens: int
    left: int
    cached: int = 0
    known: int = 0
    written: int = 0
    words: asyncio.Queue[bool] = field(default_factory=asyncio.Queue)


@dataclass(slots=True, kw_only=True)
class Stepping:
    """How the engine is, and what it was asked."""

    speed: SpeedProfile
    template_tokens: int = 6
    slots: int = 4
    context_tokens: int = 8192
    batching: Batching = Batching.PREFILL_FIRST
    step_tokens: int = 512
    caches: bool = False
    tells_usage: bool = True
    api_key: str | None = None
    refused: frozenset[str] = frozenset()
    models: tuple[str, ...] = ("m",)
    slower_after: int = 10**9
    bodies: list[dict[str, Any]] = field(default_factory=list)
    waiting: deque[Sequence] = field(default_factory=deque)
    running: list[Sequence] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    work: asyncio.Event = field(default_factory=asyncio.Event)

    async def walk(self) -> None:
        """Take steps for as long as there is work."""
        while True:
            await self.work.wait()
            while self.waiting and len(self.running) < self.slots:
                self.running.append(self.waiting.popleft())
            reading, writing = self._chosen()
            if not reading and not writing:
                self.work.clear()
                continue
            await virtual_loop().until(virtual_loop().time() + self._step_s(reading, writing))
            self._advance(reading, writing)

    def _chosen(self) -> tuple[dict[Sequence, int], list[Sequence]]:
        unread = [sequence for sequence in self.running if sequence.known < sequence.tokens]
        writing = [sequence for sequence in self.running if sequence.known == sequence.tokens]
        if self.batching is Batching.PREFILL_FIRST:
            return {one: one.tokens - one.known for one in unread[:1]}, [] if unread else writing
        room = self.step_tokens - len(writing)
        reading = {}
        for one in unread:
            reading[one] = min(room, one.tokens - one.known)
            room -= reading[one]
        return {one: tokens for one, tokens in reading.items() if tokens}, writing

    def _step_s(self, reading: dict[Sequence, int], writing: list[Sequence]) -> float:
        speed, batch = self.speed, len(writing)
        arithmetic_s = batch * speed.decode_token_s + sum(
            tokens * speed.prefill_token_s + attention_pairs(tokens, one.known) * speed.attention_pair_s
            for one, tokens in reading.items()
        )
        context = sum(one.tokens + one.written for one in writing)
        memory_s = speed.weights_read_s + context * speed.context_token_s
        slower = 1.5 if len(self.bodies) > self.slower_after else 1.0
        return slower * (max(arithmetic_s, memory_s) + step_overheads_s(speed, batch))

    def _advance(self, reading: dict[Sequence, int], writing: list[Sequence]) -> None:
        for one, tokens in reading.items():
            one.known += tokens
        for one in [*writing, *(one for one in reading if one.known == one.tokens)]:
            if one in self.running:
                one.written += 1
                one.left -= 1
                one.words.put_nowait(one.left == 0)
                if one.left == 0:
                    self.running.remove(one)

    async def chat(self, http: web.Request) -> web.StreamResponse:
        """Answer one call word by word."""
        if self.api_key is not None and http.headers.get("Authorization") != f"Bearer {self.api_key}":
            return web.json_response({"error": {"message": "who are you?"}}, status=401)
        body = await http.json()
        if isinstance(body["messages"], str) or self.refused & body.keys():
            return web.json_response({"error": {"message": "unknown field"}}, status=400)
        self.bodies.append(body)
        await virtual_loop().until(virtual_loop().time() + self.speed.request_overhead_s)
        sequence = self._sequence(body)
        self.waiting.append(sequence)
        self.work.set()
        try:
            return await self._stream(http, sequence)
        finally:
            for place in (self.waiting, self.running):
                if sequence in place:
                    place.remove(sequence)

    def _sequence(self, body: dict[str, Any]) -> Sequence:
        prompt = body["messages"][0]["content"]
        tokens = self.template_tokens + WORD_TOKENS * prompt.count(" ")
        cached = tokens - 1 if self.caches and prompt in self.seen else 0
        self.seen.add(prompt)
        left = body.get("max_tokens") or body["max_completion_tokens"]
        return Sequence(prompt=prompt, tokens=tokens, left=left, known=cached)

    async def _stream(self, http: web.Request, sequence: Sequence) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(http)
        done = False
        while not done:
            done = await sequence.words.get()
            await response.write(chunk("word "))
        usage = {"prompt_tokens": sequence.tokens, "completion_tokens": sequence.written}
        last = event({"choices": [], "usage": usage}) if self.tells_usage else b""
        await response.write(last + b"data: [DONE]\n\n")
        return response

    async def listed(self, http: web.Request) -> web.StreamResponse:
        """List the models."""
        if self.api_key is not None and http.headers.get("Authorization") != f"Bearer {self.api_key}":
            return web.json_response({"error": {"message": "who are you?"}}, status=401)
        return web.json_response({"data": [{"id": name} for name in self.models]})

    async def props(self, http: web.Request) -> web.StreamResponse:
        """Tell what llama.cpp tells of itself."""
        settings = {"n_ctx": self.context_tokens}
        return web.json_response(
            {"total_slots": self.slots, "default_generation_settings": settings, "build_info": "b1"}
        )


@asynccontextmanager
async def stepping(engine: Stepping) -> AsyncIterator[str]:
    """Serve such an engine."""
    application = web.Application(handler_args={"handler_cancellation": True}, client_max_size=2**24)
    application.add_routes(
        [
            web.post("/v1/chat/completions", engine.chat),
            web.get("/v1/models", engine.listed),
            web.get("/props", engine.props),
        ]
    )
    walking = asyncio.create_task(engine.walk())
    try:
        async with serve(application) as url:
            yield url
    finally:
        walking.cancel()
