"""Serve an emulated engine until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from aiohttp import web

from perllm.emulator.app import Emulator
from perllm.emulator.settings import EmulatorSettings
from perllm.errors import ConfigError

# Answers under way when the emulator stops are cut after this.
SHUTDOWN_S = 1.0


def run_emulator(settings: EmulatorSettings, ready: Callable[[int], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is told the port once it is open (settings.port 0: any free one).

    Raises ConfigError when the address cannot be bound.
    """
    asyncio.run(_serve(settings, ready or (lambda port: None)))


async def _serve(settings: EmulatorSettings, ready: Callable[[int], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(Emulator(settings).application, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        ready(await _listen(runner, settings))
        await stop.wait()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: EmulatorSettings) -> int:
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}",
            remedy="Choose another port, or stop what listens there.",
        ) from error
    port: int = runner.addresses[0][1]
    return port
