"""The gateway as a whole: how it starts, serves and stops."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import count
from secrets import token_hex
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

from aiohttp import web

from perllm import __version__
from perllm.accounting.declared import DeclaredMeters
from perllm.domain.server import Server
from perllm.errors import ConfigError
from perllm.gateway.backend import Backend
from perllm.gateway.connections import Listener
from perllm.gateway.routes import Routes
from perllm.gateway.services import ServiceRules
from perllm.gateway.settings import GatewaySettings
from perllm.journal.recording import Port
from perllm.live.driver import Driver
from perllm.live.probes import probe
from perllm.machines.engines import Upstream
from perllm.machines.http import UpstreamClient

_BACKLOG: Final = 1024
_COLLECT_AFTER: Final = (5000, 20, 100)
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
# What is cancelled has nothing left to wait for but its own clean-up.
_CLEAN_UP_S: Final = 5.0
_REMEDIES: Final = MappingProxyType(
    {
        errno.EADDRINUSE: "Stop the other program or choose another port (0: any free one).",
        errno.EACCES: "Choose a port above 1023.",
        errno.EADDRNOTAVAIL: "Name an address of this machine, such as 127.0.0.1.",
    }
)


class Gateway:
    """Serves the OpenAI dialect while it is entered, on one event loop, over one brain.

    `port` is that brain, with whatever sinks listen. `meters` holds the declared joules of the servers.
    """

    def __init__(
        self,
        *,
        settings: GatewaySettings,
        rules: ServiceRules,
        servers: Sequence[Server],
        upstreams: Sequence[Upstream],
        port: Port,
    ) -> None:
        self.meters = DeclaredMeters(servers)
        self._settings = settings
        self._rules = rules
        self._servers = servers
        self._upstreams = upstreams
        self._port = port

    async def __aenter__(self) -> Self:
        """Listen, and tell the brain of its fleet. Raises ConfigError where the address cannot be had."""
        loop = asyncio.get_running_loop()
        self.driver = Driver(self._port, loop)
        self._client = UpstreamClient(self._upstreams, user_agent=f"perllm/{__version__}")
        self._routes = Routes(self._backend())
        self._listener = Listener(self._routes, header_timeout_s=self._settings.header_timeout_s)
        self._runner = web.ServerRunner(self._listener, shutdown_timeout=_CLEAN_UP_S)
        await self._runner.setup()
        try:
            await self._listen()
        except BaseException:
            await self._shut_down()
            raise
        # The journal begins with the fleet, and only once the address is ours: who cannot listen leaves no trace in it.
        self.driver.configure(self._servers, tuple(self._rules.services.values()))
        self._routes.draining = False
        self._probes = asyncio.create_task(self._probe())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let running exchanges end for as long as the settings say, cancel the rest, and stop.

        Raises InvariantError where the brain still has a request afterwards.
        """
        self._routes.draining = True
        for task in self._routes.reading:
            # Nothing is lost with a call that has not arrived: whoever sends it slowly must not hold up the end.
            task.cancel()
        if self._routes.running:
            await asyncio.wait(self._routes.running, timeout=self._settings.drain_s)
        for task in self._routes.running:
            task.cancel()
        if self._routes.running:
            await asyncio.wait(self._routes.running, timeout=_CLEAN_UP_S)
        self._probes.cancel()
        await asyncio.wait({self._probes})
        await self._shut_down()
        if not self._probes.cancelled():
            self._probes.result()

    @property
    def url(self) -> str:
        """The address to reach it at."""
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def failure(self) -> None:
        """Wait until something that must run for ever fails, and raise its error."""
        await self._probes
        await asyncio.Event().wait()

    def _backend(self) -> Backend:
        return Backend(
            settings=self._settings,
            rules=self._rules,
            servers={server.server_id: server for server in self._servers},
            upstreams={upstream.server_id: upstream for upstream in self._upstreams},
            client=self._client,
            driver=self.driver,
            meters=self.meters,
            ids=_ids(token_hex(4)),
        )

    async def _listen(self) -> None:
        host, port = self._settings.host, self._settings.port
        try:
            await web.TCPSite(self._runner, host, port, backlog=_BACKLOG).start()
        except (OSError, UnicodeError) as error:
            number = getattr(error, "errno", None)
            raise ConfigError(
                f"cannot listen on {host}:{port}: {os.strerror(number) if number and number > 0 else error}",
                key="listen",
                # Where not even a number came, it was the address: since Python 3.13, all of a name's are tried.
                remedy=_REMEDIES.get(number or errno.EADDRNOTAVAIL),
            ) from error

    async def _probe(self) -> None:
        await probe(
            self._client,
            self.driver,
            self._upstreams,
            interval_s=self._settings.probe_interval_s,
            timeout_s=self._settings.probe_timeout_s,
        )

    async def _shut_down(self) -> None:
        await self._runner.cleanup()
        await self._client.close()
        self.driver.stop()


async def serve(gateway: Gateway, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; call `ready` with the address once it is. A second signal ends it at once."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    async with gateway:
        _collect_less_often()
        for number in _SIGNALS:
            loop.add_signal_handler(number, stopped.set)
        try:
            ready(gateway.url)
            await _first(stopped.wait(), gateway.failure())
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)


def _collect_less_often() -> None:
    """Look for cycles among what requests leave behind, not among what was loaded at the start.

    Collecting by Python's defaults takes a tenth of the time of a request (benchmarks/gateway.py).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait until one has ended, and raise its error if it has one."""
    tasks = {asyncio.create_task(wait) for wait in waits}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


def _ids(prefix: str) -> Iterator[str]:
    return (f"{prefix}-{number}" for number in count(1))
