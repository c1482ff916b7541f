"""A link of a given delay and bandwidth between two sockets of this machine.

It relays TCP connections. The handshake is not delayed, only what the two ends say afterwards.
"""

import asyncio
import math
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

# What is said: some bytes, that nothing more will come, or that the connection was reset.
_Piece = bytes | None
_END = b""
_RESET = None
_Wire = asyncio.Queue[tuple[float, _Piece]]

_PIECE_BYTES = 16 * 1024
# Pieces under way in one direction of one connection; a sender that is faster has to wait.
_PIECES_UNDER_WAY = 256
# On, and no time to linger: closing such a socket resets the connection.
_LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """How long every byte is under way in one direction, and how many enter it in a second."""

    delay_s: float = 0.0
    bytes_per_s: float = math.inf


class DelayedLink:
    """Lead every connection made to `address` to another server, over one link they share.

    Use it as an async context manager. Bytes arrive in order. The end or reset of a connection
    reaches the other side one delay later; an unreachable server resets it at once.
    """

    def __init__(self, host: str, port: int, *, up: Direction, down: Direction) -> None:
        self.address = ("", 0)
        self._server_address = (host, port)
        self._up = _Lane(up)
        self._down = _Lane(down)
        self._relays: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = self._listener.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = asyncio.create_task(self._relay(reader, writer))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._server_address)
            try:
                async with asyncio.TaskGroup() as directions:
                    directions.create_task(self._up.carry(reader, far_writer, self._down.delay_s))
                    directions.create_task(self._down.carry(far_reader, writer, self._up.delay_s))
                await _end(far_writer)
            finally:
                _reset(far_writer)
            await _end(writer)
        except* OSError:
            pass
        finally:
            _reset(writer)


class _Lane:
    """One direction of a link: its connections take turns to put their pieces on it."""

    def __init__(self, direction: Direction) -> None:
        self.delay_s = direction.delay_s
        self._bytes_per_s = direction.bytes_per_s
        self._free_at_s = -math.inf

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way_back_s: float) -> None:
        """Carry one connection until its source ends; raise an OSError group when it is reset."""
        wire = _Wire(maxsize=_PIECES_UNDER_WAY)
        async with asyncio.TaskGroup() as ends:
            ends.create_task(self._send(source, wire))
            ends.create_task(_deliver(wire, sink, way_back_s))

    async def _send(self, source: asyncio.StreamReader, wire: _Wire) -> None:
        piece: _Piece = None
        while piece := await _heard(source):
            sent_at_s = self._sent_at_s(len(piece))
            await wire.put((sent_at_s + self.delay_s, piece))
            # Nothing more is read until then, so what waits for the link waits at its sender.
            await _until(sent_at_s)
        await wire.put((self._sent_at_s(0) + self.delay_s, piece))

    def _sent_at_s(self, size_bytes: int) -> float:
        started_at_s = max(asyncio.get_running_loop().time(), self._free_at_s)
        self._free_at_s = started_at_s + size_bytes / self._bytes_per_s
        return self._free_at_s


async def _heard(source: asyncio.StreamReader) -> _Piece:
    try:
        return await source.read(_PIECE_BYTES)
    except OSError:
        return _RESET


async def _deliver(wire: _Wire, sink: asyncio.StreamWriter, way_back_s: float) -> None:
    while True:
        due_at_s, piece = await wire.get()
        await _until(due_at_s)
        if piece is _RESET:
            raise ConnectionResetError
        if piece == _END:
            sink.write_eof()
            return
        try:
            sink.write(piece)
            await sink.drain()
        except OSError:
            # The receiver is gone, which its sender may not know before the news has come back.
            await asyncio.sleep(way_back_s)
            raise


async def _until(instant_s: float) -> None:
    await asyncio.sleep(instant_s - asyncio.get_running_loop().time())


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Cut a connection, so that its other end cannot take this for an end; no-op on a closed one."""
    with suppress(OSError):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
    writer.transport.abort()
