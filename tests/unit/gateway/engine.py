"""An engine that does as told, byte by byte, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

WORDS = ("one", "two", "three")
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Call:
    """One request an engine was sent, and the way to answer it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
        self.head = head
        self.body = body
        self._reader = reader
        self._writer = writer

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def send_chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def answer(
        self, body: bytes, *, status: str = "200 OK", content_type: str = "application/json", extra: str = ""
    ) -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
        await self.send(head.encode() + body)

    def reset(self) -> None:
        """Break the connection off with a RST."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def until_left(self) -> None:
        """Wait until the gateway hangs up."""
        await self._reader.read()


Behaviour = Callable[[Call], Awaitable[None]]


class FakeEngine:
    """Listens on a free port while it is entered."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.calls: list[Call] = []
        self.called = asyncio.Event()
        self.connections = 0
        self.left = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                call = await _read_call(reader, writer)
                self.calls.append(call)
                self.called.set()
                await self.behaviour(call)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()


async def _read_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(
        (int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length:")), 0
    )
    return Call(reader, writer, head, await reader.readexactly(length))


def event(data: object) -> bytes:
    return b"data: %s\n\n" % (data if isinstance(data, bytes) else json.dumps(data).encode())


def chunk(word: str) -> bytes:
    return event({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": word}}]})


def usage_chunk(usage: object = USAGE) -> bytes:
    return event({"object": "chat.completion.chunk", "choices": [], "usage": usage})


def plain_body(**more: object) -> bytes:
    message = {"role": "assistant", "content": " ".join(WORDS)}
    return json.dumps({"choices": [{"index": 0, "message": message}], "usage": USAGE, **more}).encode()


async def stream_words(call: Call, words: Sequence[str] = WORDS) -> None:
    """Send the head of a stream and some words."""
    await call.send(STREAM_HEAD)
    for word in words:
        await call.send_chunk(chunk(word))


async def fine(call: Call) -> None:
    if not call.json.get("stream"):
        await call.answer(plain_body())
        return
    await stream_words(call)
    if call.json.get("stream_options", {}).get("include_usage"):
        await call.send_chunk(usage_chunk())
    await call.send_chunk(event(b"[DONE]"))
    await call.send(b"0\r\n\r\n")


async def reset(call: Call) -> None:
    call.reset()


async def overloaded(call: Call) -> None:
    await call.answer(b'{"error": {"message": "busy"}}', status="503 Service Unavailable", extra="retry-after: 2\r\n")


async def stalls_before_head(call: Call) -> None:
    await call.until_left()
    raise ConnectionResetError


async def stalls_midway(call: Call) -> None:
    if call.json.get("stream"):
        await stream_words(call, WORDS[:2])
    else:
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
    await stalls_before_head(call)


async def wrong_content_type(call: Call) -> None:
    await call.answer(b"<html>hello</html>", content_type="text/html")


def closed_port() -> str:
    """Return an address at which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"
