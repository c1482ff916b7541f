"""Open one upstream request, read its answer as it arrives, ask an engine for its health: HTTP as a client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Final

import aiohttp
from yarl import URL

from perllm.machines.engines import Upstream
from perllm.machines.failures import CLIENT_EXCEPTIONS, AttemptError, attempt_error, status_error
from perllm.wire.reply import is_event_stream, is_json_content_type

# An idle socket is dropped before its engine drops it: uvicorn (vLLM, SGLang) and llama.cpp close after 5 s by default.
_IDLE_SOCKET_S: Final = 3.0
_CONNECT_S: Final = 5.0
_END_S: Final = 0.1
_ERROR_BODY_BYTES: Final = 2**16
_ERROR_BODY_S: Final = 1.0
_LARGE_BODY_BYTES: Final = 2**20


class Reply:
    """An engine's good answer, to be read piece by piece and then closed."""

    __slots__ = ("_keeps_socket", "_response")

    def __init__(self, response: aiohttp.ClientResponse, *, keeps_socket: bool) -> None:
        self._response = response
        self._keeps_socket = keeps_socket

    async def read_some(self) -> bytes:
        """Return what has arrived, b"" at the end. Raises AttemptError where the answer is cut."""
        try:
            return await self._response.content.readany()
        except CLIENT_EXCEPTIONS as error:
            raise attempt_error(error) from error

    async def finish(self) -> None:
        """Let the end of an answer arrive that holds nothing more, so that its socket can be kept where it may be."""
        if not self._keeps_socket:
            self.close()
            return
        try:
            async with asyncio.timeout(_END_S):
                while not self._response.content.is_eof():
                    await self._response.content.readany()
        except (TimeoutError, *CLIENT_EXCEPTIONS):
            self.close()

    def close(self) -> None:
        """Hang up, unless the answer was read to its end: then the socket has been kept for the next request."""
        self._response.close()


class UpstreamClient:
    """Reaches every server of the fleet. Made inside a running loop; time is bounded by whoever calls."""

    def __init__(self, upstreams: Iterable[Upstream], *, user_agent: str) -> None:
        self._upstreams = {upstream.server_id: upstream for upstream in upstreams}
        self._urls: dict[tuple[str, str], URL] = {}
        self._keeping = _session(user_agent, keep_sockets=True)
        self._dropping = _session(user_agent, keep_sockets=False)

    async def open(self, server_id: str, path: str, body: bytes, headers: Mapping[str, str], *, stream: bool) -> Reply:
        """Send a POST and return the answer once its head is good. Raises AttemptError."""
        upstream = self._upstreams[server_id]
        keeps_socket = upstream.kind.keeps_socket_after_stream or not stream
        session = self._keeping if keeps_socket else self._dropping
        try:
            response = await session.post(
                self._url(upstream, path),
                data=body if len(body) < _LARGE_BODY_BYTES else BytesIO(body),
                headers=_headers(upstream, headers),
                allow_redirects=False,
            )
        except CLIENT_EXCEPTIONS as error:
            raise attempt_error(error) from error
        try:
            await _check_head(response, stream=stream)
        except BaseException:
            response.close()
            raise
        return Reply(response, keeps_socket=keeps_socket)

    async def is_healthy(self, server_id: str, timeout_s: float) -> bool:
        """Ask an engine that has a free health path whether it is well; no answer in time means it is not."""
        upstream = self._upstreams[server_id]
        url = self._url(upstream, upstream.kind.health_path or "")
        try:
            async with asyncio.timeout(timeout_s), self._dropping.get(url, allow_redirects=False) as response:
                return response.status == 200
        except (TimeoutError, *CLIENT_EXCEPTIONS):
            return False

    async def ask(self, server_id: str, path: str, timeout_s: float) -> tuple[int, bytes]:
        """Ask an engine for what it tells of itself and return status and body. Raises AttemptError."""
        upstream = self._upstreams[server_id]
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._keeping.get(
                    self._url(upstream, path), headers=_headers(upstream, {}), allow_redirects=False
                ) as response,
            ):
                return response.status, await response.read()
        except TimeoutError:
            raise AttemptError("no answer in time") from None
        except CLIENT_EXCEPTIONS as error:
            raise attempt_error(error) from error

    async def close(self) -> None:
        """Close every socket."""
        await self._keeping.close()
        await self._dropping.close()

    def _url(self, upstream: Upstream, path: str) -> URL:
        key = upstream.server_id, path
        url = self._urls.get(key)
        if url is None:
            url = self._urls[key] = URL(upstream.root_url + path)
        return url


def _session(user_agent: str, *, keep_sockets: bool) -> aiohttp.ClientSession:
    connector = (
        aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SOCKET_S)
        if keep_sockets
        else aiohttp.TCPConnector(limit=0, force_close=True)
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
    )


def _headers(upstream: Upstream, headers: Mapping[str, str]) -> dict[str, str]:
    own = {**headers, "Content-Type": "application/json"}
    if upstream.api_key is not None:
        own["Authorization"] = f"Bearer {upstream.api_key}"
    return own


async def _check_head(response: aiohttp.ClientResponse, *, stream: bool) -> None:
    if response.status != 200:
        body = await _error_body(response)
        raise status_error(response.status, response.headers.get("Retry-After"), body)
    content_type = response.headers.get("Content-Type")
    expected = is_event_stream if stream else is_json_content_type
    if not expected(content_type):
        raise AttemptError(f"content type {content_type}")


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    """Read as much of an error's explanation as comes at once: failing over must not wait for it."""
    body = b""
    try:
        async with asyncio.timeout(_ERROR_BODY_S):
            while (piece := await response.content.readany()) and len(body) < _ERROR_BODY_BYTES:
                body += piece
    except (TimeoutError, *CLIENT_EXCEPTIONS):
        pass
    return body[:_ERROR_BODY_BYTES]
