"""Emulated engines and a raw client on virtual time, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

from perllm.emulator.answer import TOKEN as TOKEN_TEXT
from perllm.emulator.app import Emulator
from perllm.emulator.settings import EmulatorSettings
from perllm.simulation.job import Job, Truth
from perllm.simulation.trouble import Outage
from tests.parity.virtual_loop import virtual_loop

HOST = "127.0.0.1"
# What the emulator says for every token.
TOKEN = TOKEN_TEXT.encode()

Seen = list[tuple[float, int]]
"""When something of an answer came, and how many tokens had come by then; a plain answer comes at once."""


@asynccontextmanager
async def serve(application: web.Application) -> AsyncIterator[str]:
    """Serve an application on a free port and yield its address."""
    # Jumps of the clock must not look like clients that fell silent.
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=1e9, shutdown_timeout=0.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0, backlog=4096).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serve_emulator(settings: EmulatorSettings, outages: Iterable[Outage] = ()) -> AsyncIterator[str]:
    """Serve an emulated engine and yield its address."""
    async with serve(Emulator(settings, outages=outages).application) as address:
        yield address


@asynccontextmanager
async def client() -> AsyncIterator[ClientSession]:
    """Yield a client without limits of its own, with one connection for each request."""
    connector = TCPConnector(force_close=True, limit=0)
    async with ClientSession(connector=connector, timeout=ClientTimeout(total=None)) as session:
        yield session


def emulate(truth: Truth) -> dict[str, Any]:
    """Return the body's field that makes a request's truth come true."""
    return {
        "prompt_tokens": truth.prompt_tokens,
        "output_tokens": truth.output_tokens,
        "upload_bytes": truth.upload_bytes,
        "service_factor": truth.service_factor,
        "link_factor": truth.link_factor,
    }


def body_of(job: Job) -> bytes:
    """Write the call that a client makes for a job."""
    request = job.request
    call = {
        "model": request.model,
        "messages": [{"role": "user", "content": "x" * request.prompt_bytes}],
        "stream": request.stream,
        "emulate": emulate(job.truth),
    }
    if request.max_output_tokens is not None:
        call["max_tokens"] = request.max_output_tokens
    return msgspec.json.encode(call)


def see(seen: Seen, now_s: float, tokens: int) -> None:
    """Note how far an answer is; of one instant, only the last counts, for sockets may cut what was sent at once."""
    if seen and seen[-1][0] == now_s:
        seen.pop()
    seen.append((now_s, tokens))


async def call(
    session: ClientSession, url: str, job: Job, at_s: float, headers: Mapping[str, str] | None = None
) -> tuple[int, Seen]:
    """Send a job's call at its instant, hang up when its client leaves, and return the status and what was seen."""
    loop = virtual_loop()
    await loop.until(at_s)
    seen: Seen = []
    status = 0

    async def exchange() -> None:
        nonlocal status
        async with session.post(url, data=body_of(job), headers=headers) as answer:
            status, received = answer.status, b""
            async for piece in answer.content.iter_any():
                received += piece
                see(seen, loop.time(), received.count(TOKEN))

    task = asyncio.ensure_future(exchange())
    if job.truth.leaves_at_s is not None:
        leaving = loop.call_at(job.truth.leaves_at_s, task.cancel)
        task.add_done_callback(lambda _: leaving.cancel())
    # The client has left, or the engine has hung up.
    with suppress(asyncio.CancelledError, ClientError):
        await task
    return status, seen
