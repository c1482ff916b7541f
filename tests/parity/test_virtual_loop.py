"""The clock of the parity tests."""

from __future__ import annotations

import asyncio
from math import nextafter

from tests.parity.virtual_loop import run_virtual, virtual_loop


def test_timers_fire_in_order_each_at_its_own_float() -> None:
    instants = [0.1, nextafter(0.1, 1.0), 0.1 + 0.2, 0.3, 1e6 + 0.1, nextafter(1e6 + 0.1, 2e6)]

    async def main() -> list[float]:
        fired: list[float] = []
        for at_s in reversed(instants):
            virtual_loop().call_at(at_s, lambda: fired.append(virtual_loop().time()))
        await virtual_loop().until(2e6)
        return fired

    assert sorted(instants) == run_virtual(main())


def test_what_is_on_its_way_through_sockets_arrives_before_the_clock_moves() -> None:
    async def main() -> list[float]:
        heard = []

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while piece := await reader.read(1 << 20):
                writer.write(piece)
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for at_s in range(1, 101):
            await virtual_loop().until(at_s)
            writer.write(b"x" * 100_000)
            await reader.readexactly(100_000)
            heard.append(virtual_loop().time())
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return heard

    # A timer always stands ready to be jumped to.
    async def beside() -> list[float]:
        ticking = asyncio.ensure_future(tick())
        heard = await main()
        ticking.cancel()
        return heard

    async def tick() -> None:
        while True:
            await virtual_loop().until(virtual_loop().time() + 0.01)

    assert list(range(1, 101)) == run_virtual(beside())
