import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from perllm.demo.delayed_link import DelayedLink, Direction

Serve = Callable[[StreamReader, StreamWriter], Awaitable[None]]
AT_ONCE = Direction()
LIMIT_S = 5.0


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[tuple[str, int]]:
    """Give the address of a server that closes each connection when `serve` has returned."""

    async def serve_and_close(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve_and_close, "127.0.0.1", 0)
    async with server, asyncio.timeout(LIMIT_S):
        yield server.sockets[0].getsockname()


@asynccontextmanager
async def linked(serve: Serve, *, up: Direction = AT_ONCE, down: Direction = AT_ONCE) -> AsyncIterator[DelayedLink]:
    async with serving(serve) as (host, port), DelayedLink(host, port, up=up, down=down) as link:
        yield link


@asynccontextmanager
async def connected(link: DelayedLink) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection(*link.address)
        try:
            yield reader, writer
        finally:
            writer.close()


async def echo(reader: StreamReader, writer: StreamWriter) -> None:
    while piece := await reader.read(1000):
        writer.write(piece)
        await writer.drain()


async def exchange(link: DelayedLink, said: bytes) -> tuple[bytes, float]:
    """Say something, hear all that comes back, and measure how long that took."""
    loop = asyncio.get_running_loop()
    async with connected(link) as (reader, writer):
        started_at_s = loop.time()
        writer.write(said)
        writer.write_eof()
        return await reader.read(-1), loop.time() - started_at_s


async def takes_everything(link: DelayedLink) -> bool:
    """Tell whether a link takes at once what only its own memory could hold, no socket's."""
    async with connected(link) as (_, writer):
        writer.write(bytes(32_000_000))
        try:
            async with asyncio.timeout(0.5):
                await writer.drain()
        except TimeoutError:
            return False
        finally:
            writer.transport.abort()
    return True


def reset(writer: StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_bytes_arrive_unchanged_and_in_order() -> None:
    said = np.random.default_rng(1).bytes(500_000)
    lossless = Direction(delay_s=0.002, bytes_per_s=20e6)

    async with linked(echo, up=lossless, down=lossless) as link:
        heard, _ = await exchange(link, said)

    assert said == heard


async def test_each_direction_adds_its_delay() -> None:
    loop = asyncio.get_running_loop()
    up, down = Direction(delay_s=0.03), Direction(delay_s=0.05)

    async with linked(echo, up=up, down=down) as link, connected(link) as (reader, writer):
        started_at_s = loop.time()
        writer.write(b"ping")

        assert b"ping" == await reader.readexactly(4)
        assert loop.time() - started_at_s >= 0.08


@pytest.mark.parametrize("slow", ["up", "down"])
async def test_each_direction_has_its_rate(slow: str) -> None:
    directions = {"up": AT_ONCE, "down": AT_ONCE, slow: Direction(bytes_per_s=1e6)}

    async with linked(echo, **directions) as link:
        _, took_s = await exchange(link, bytes(60_000))

    assert took_s >= 0.06


async def test_pieces_under_way_do_not_wait_for_one_another() -> None:
    """A link is a pipe: the thirty pieces this makes, each under way for 0.1 s, do not need 3 s."""
    async with linked(echo, up=Direction(delay_s=0.1)) as link:
        _, took_s = await exchange(link, bytes(30 * 16 * 1024))

    assert 0.1 <= took_s < 1.5


async def test_connections_share_the_bandwidth() -> None:
    loop = asyncio.get_running_loop()

    async with linked(echo, up=Direction(bytes_per_s=1e6)) as link:
        started_at_s = loop.time()
        await asyncio.gather(*(exchange(link, bytes(40_000)) for _ in range(3)))

        assert loop.time() - started_at_s >= 0.12


async def test_a_word_does_not_wait_for_a_long_speech_on_another_connection() -> None:
    async with (
        linked(echo, up=Direction(bytes_per_s=1e6)) as link,
        connected(link) as (long_reader, long_writer),
    ):
        long_writer.write(bytes(3_000_000))
        await long_reader.readexactly(1)

        _, took_s = await exchange(link, b"word")

        assert took_s < 1.0
        long_writer.transport.abort()


async def test_a_client_that_has_said_all_still_hears_the_answer() -> None:
    async def count(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(str(len(await reader.read(-1))).encode())

    async with linked(count, up=Direction(delay_s=0.01), down=Direction(delay_s=0.01)) as link:
        heard, _ = await exchange(link, bytes(12_345))

    assert b"12345" == heard


async def test_a_reset_by_the_client_reaches_the_server() -> None:
    heard, cut = asyncio.Event(), asyncio.Event()

    async def listen(reader: StreamReader, _: StreamWriter) -> None:
        await reader.readexactly(5)
        heard.set()
        try:
            await reader.read(-1)
        except ConnectionResetError:
            cut.set()

    async with linked(listen, up=Direction(delay_s=0.02)) as link, connected(link) as (_, writer):
        writer.write(b"hello")
        await heard.wait()
        reset(writer)

        await cut.wait()


async def test_a_reset_by_the_server_reaches_the_client() -> None:
    async def cut(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readexactly(5)
        reset(writer)

    async with linked(cut, down=Direction(delay_s=0.02)) as link, connected(link) as (reader, writer):
        writer.write(b"hello")

        with pytest.raises(ConnectionResetError):
            await reader.read(-1)


async def test_a_client_that_leaves_ends_an_endless_answer() -> None:
    gone = asyncio.Event()

    async def talk(_: StreamReader, writer: StreamWriter) -> None:
        try:
            while True:
                writer.write(b"token")
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            gone.set()

    async with linked(talk, up=Direction(delay_s=0.01), down=Direction(delay_s=0.01)) as link:
        async with connected(link) as (reader, _):
            await reader.readexactly(20)

        await gone.wait()


async def test_an_unreachable_server_resets_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        host, port = closing.getsockname()

    async with DelayedLink(host, port, up=AT_ONCE, down=AT_ONCE) as link, connected(link) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read(-1)


async def test_a_sender_waits_for_a_slow_link() -> None:
    async with linked(echo, up=Direction(bytes_per_s=1000)) as link:
        assert not await takes_everything(link)


async def test_a_sender_waits_for_a_slow_receiver() -> None:
    done = asyncio.Event()

    async def be_busy(_: StreamReader, __: StreamWriter) -> None:
        await done.wait()

    async with linked(be_busy) as link:
        assert not await takes_everything(link)
        done.set()


async def test_closing_the_link_cuts_its_connections() -> None:
    cut = asyncio.Event()

    async def listen(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"hello")
        try:
            await reader.read(-1)
        except ConnectionResetError:
            cut.set()

    async with serving(listen) as (host, port):
        async with DelayedLink(host, port, up=AT_ONCE, down=AT_ONCE) as link:
            reader, writer = await asyncio.open_connection(*link.address)
            await reader.readexactly(5)

        with pytest.raises(ConnectionResetError):
            await reader.read(-1)
        writer.close()
        await cut.wait()
