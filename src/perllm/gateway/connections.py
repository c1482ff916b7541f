"""The gateway's end of a connection: silent clients are dropped, slow readers do not hold an engine's last bytes up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from aiohttp import web

from perllm.gateway.answers import broken_http, gateway_fault

_IDLE_S: Final = 75.0
"""How long a connection may wait between requests (nginx's default, longer than clients keep theirs)."""

_WRITE_BUFFER_BYTES: Final = 2**20
"""What is taken from an engine ahead of a slow reader: a thousand tokens stream as a quarter of it."""


class Connection(web.RequestHandler):
    """A client's connection, which must bring the head of its first request in time."""

    __slots__ = ("_head_timer", "_header_timeout_s")

    def __init__(self, manager: web.Server, *, header_timeout_s: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._header_timeout_s = header_timeout_s
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self._head_timer = asyncio.get_running_loop().call_later(self._header_timeout_s, self._drop_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def _drop_silent(self) -> None:
        # Later heads are bounded by the time a connection may idle.
        self._head_timer = None
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP, and what went wrong in here, in the shape clients understand."""
        if status == 400:
            return broken_http(message or str(exc))
        super().handle_error(request, status, exc, message)
        return gateway_fault()


class Listener(web.Server):
    """Makes a Connection of every client that connects. A client that leaves cancels its handler."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        header_timeout_s: float,
    ) -> None:
        super().__init__(handler, handler_cancellation=True)
        self._header_timeout_s = header_timeout_s

    def __call__(self) -> web.RequestHandler:
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            header_timeout_s=self._header_timeout_s,
            keepalive_timeout=_IDLE_S,
            access_log=None,
        )
