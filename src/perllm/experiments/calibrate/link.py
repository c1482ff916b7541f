"""Measure the way to the engine: round trip, and the uplink's rate where a refused body tells it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import msgspec
from yarl import URL

from perllm.experiments.calibrate.heard import CHAT, ENGINE
from perllm.experiments.calibrate.samples import LinkTimes
from perllm.machines.failures import AttemptError
from perllm.machines.http import UpstreamClient

_CONNECTIONS: Final = 5
_REQUESTS: Final = 10
_TIMEOUT_S: Final = 5.0
_LOW_QUANTILE: Final = 0.1
_PADDINGS: Final = (2**16, 2**18, 2**20)
_TIMES: Final = 3
_SLOW_S: Final = 0.3
"""A body that takes so long tells enough, and a larger one would only use the link."""
_ENGINE_BYTES_PER_S: Final = 25e6
"""llama.cpp itself takes bodies in at 32 to 127 MB/s (measured on this machine's own address, one core of a busy AMD
EPYC): a way that is as fast cannot be told from that."""


async def measure_link(client: UpstreamClient, url: URL, model: str) -> LinkTimes:
    """Time connections, tiny requests and bodies that are refused. Raises AttemptError where nothing answers."""
    connect_s = [await _connect_s(url) for _ in range(_CONNECTIONS)]
    request_s = [await _request_s(client) for _ in range(_REQUESTS)]
    return LinkTimes(
        connect_s=_low(connect_s),
        request_s=_low(request_s),
        up_bytes_per_s=await _up_bytes_per_s(client, model),
    )


async def _connect_s(url: URL) -> float:
    clock = asyncio.get_running_loop().time
    began_at_s = clock()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(url.host, url.port)
    except (OSError, TimeoutError):
        raise AttemptError("connection refused") from None
    seconds = clock() - began_at_s
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return seconds


async def _request_s(client: UpstreamClient) -> float:
    clock = asyncio.get_running_loop().time
    began_at_s = clock()
    await client.ask(ENGINE, "/v1/models", _TIMEOUT_S)
    return clock() - began_at_s


async def _up_bytes_per_s(client: UpstreamClient, model: str) -> float | None:
    """Compare refused bodies of two sizes, the larger as large as it must be to be told from the smaller."""
    small, *larger = _PADDINGS
    small_s = await _refused_s(client, model, small)
    for padding in larger:
        seconds = await _refused_s(client, model, padding)
        if small_s is None or seconds is None:
            return None
        more, more_s = padding - small, seconds - small_s
        if more_s >= _SLOW_S or (padding == larger[-1] and more_s * _ENGINE_BYTES_PER_S > more):
            return more / more_s
    return None


async def _refused_s(client: UpstreamClient, model: str, padding: int) -> float | None:
    """Return the least time in which a body of this size was refused, or None where it was not refused at all."""
    clock = asyncio.get_running_loop().time
    # No engine can serve messages that are no list, so this costs it nothing but reading.
    body = msgspec.json.encode({"model": model, "messages": "none", "max_tokens": 1, "padding": "x" * padding})
    times_s = []
    for _ in range(_TIMES):
        began_at_s = clock()
        try:
            reply = await client.open(ENGINE, CHAT, body, {}, stream=False)
        except AttemptError as error:
            # 502 stands for a connection that was cut, 413 for a body that was not read.
            if error.status in (413, 429, 502, 503):
                return None
            times_s.append(clock() - began_at_s)
        else:
            reply.close()
            return None
    return min(times_s)


def _low(times_s: list[float]) -> float:
    """Return a low quantile: what is above it waited for something."""
    return sorted(times_s)[int(len(times_s) * _LOW_QUANTILE)]
