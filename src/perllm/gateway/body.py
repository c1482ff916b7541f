"""Read the body of a call: not more than allowed, and not for ever."""

from __future__ import annotations

import asyncio

from aiohttp import StreamReader, web

from perllm.gateway.settings import GatewaySettings
from perllm.wire.errors import CallError


async def read_body(http: web.BaseRequest, settings: GatewaySettings) -> bytes:
    """Return the whole body. Raises CallError where it is too large, too slow or broken."""
    limit_bytes = settings.max_body_bytes
    if (http.content_length or 0) > limit_bytes:
        raise _too_large(limit_bytes)
    content = http.content
    if content.is_eof() and content.total_bytes <= limit_bytes:
        return content.read_nowait()
    if http.headers.get("Expect", "").lower() == "100-continue":
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            return await _read_all(content, limit_bytes)
    except TimeoutError as error:
        raise CallError(
            f"The body did not arrive within {settings.body_timeout_s:g} s. Send it whole, or send less.",
            code="body_timeout",
            status=408,
        ) from error
    except web.RequestPayloadError as error:
        raise CallError(
            "The body is broken: it does not hold what its head says (encoding, length or chunks).", code="body_broken"
        ) from error


async def _read_all(content: StreamReader, limit_bytes: int) -> bytes:
    pieces, size = [], 0
    while piece := await content.readany():
        pieces.append(piece)
        size += len(piece)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
    return b"".join(pieces)


def _too_large(limit_bytes: int) -> CallError:
    return CallError(
        f"The body is larger than {limit_bytes} bytes. Send less, or raise limits.max_body_mib in the configuration.",
        code="body_too_large",
        status=413,
    )
