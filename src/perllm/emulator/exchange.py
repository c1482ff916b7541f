"""One exchange with a client, and the ways out of it that no client hopes for."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from perllm.emulator.answer import Answer
from perllm.emulator.loading import Loader
from perllm.wire.errors import error_body

# Lingering for no time at all: what is unsent is dropped, and the other side gets a RST instead of a FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What a fault can lay its hands on. `late_s` and `retry_after_s` say how late, and when to come again."""

    http: web.Request
    answer: Answer
    loader: Loader
    late_s: float
    retry_after_s: int

    async def send_half(self, body: bytes) -> None:
        """Promise a whole body and send half of it."""
        head = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        response = web.StreamResponse(headers=head)
        await response.prepare(self.http)
        await response.write(body[: len(body) // 2])

    async def cut(self) -> NoReturn:
        """Hang up; the loss of the connection then cancels the handler that waits here."""
        if self.http.transport is not None:
            self.http.transport.close()
        await for_ever()

    async def reset(self) -> NoReturn:
        """Break the connection off with a RST, whatever is on its way."""
        transport = self.http.transport
        if transport is not None:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()
        await for_ever()


async def for_ever() -> NoReturn:
    """Wait until the handler is cancelled, because the client has left or the server stops."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody sets this future")


def refusal(
    status: int, message: str, error_type: str, code: str | None = None, head: dict[str, str] | None = None
) -> web.Response:
    """Refuse in the OpenAI shape."""
    return json_answer(status, error_body(message, error_type, None, code), head)


def unavailable() -> web.Response:
    """Refuse as an engine that is down, or a proxy whose engine is."""
    return refusal(503, "The engine is not available.", "server_error", "unavailable")


def json_answer(status: int, body: bytes, head: dict[str, str] | None = None) -> web.Response:
    """Answer with JSON."""
    return web.Response(status=status, body=body, content_type="application/json", headers=head)
