"""The client's side of an exchange: where a stream goes, piece by piece."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from contextlib import suppress

from aiohttp import web

from perllm.errors import InvariantError, PerLLMError


class ClientGoneError(PerLLMError):
    """There is nobody to answer any more."""


class Caller:
    """A client that waits for its answer. Whatever sends raises ClientGoneError where the client is gone."""

    __slots__ = ("_answer", "_http")

    def __init__(self, http: web.BaseRequest) -> None:
        self._http = http
        self._answer: web.StreamResponse | None = None

    @property
    def begun(self) -> bool:
        """Whether a stream has begun: then no other server may answer."""
        return self._answer is not None

    @property
    def answer(self) -> web.StreamResponse:
        """The stream that has begun."""
        if self._answer is None:
            raise InvariantError("no stream has begun")
        return self._answer

    async def begin(self, head: Mapping[str, str]) -> None:
        """Send the head of a stream."""
        self._answer = web.StreamResponse(headers=head)
        await _sent(self._answer.prepare(self._http))

    async def send(self, data: bytes) -> None:
        """Send more of the stream, and wait while its reader is too far behind."""
        await _sent(self.answer.write(data))

    async def end(self, data: bytes) -> web.StreamResponse:
        """Send the last of the stream."""
        await _sent(self.answer.write_eof(data))
        return self.answer

    async def cut(self, data: bytes) -> web.StreamResponse:
        """Send the last of a stream that has failed, and hang up: its end must not look like a good one."""
        with suppress(ClientGoneError):
            await self.send(data)
        self._hang_up()
        return self.answer

    async def turn_away(self, answer: web.Response) -> web.Response:
        """Answer a client that has not finished speaking, and hang up."""
        with suppress(ClientGoneError):
            await _sent(answer.prepare(self._http))
            await _sent(answer.write_eof())
        self._hang_up()
        return answer

    def _hang_up(self) -> None:
        """Close the connection once what was written has been sent."""
        if self._http.transport is not None:
            self._http.transport.close()


async def _sent(step: Awaitable[object]) -> None:
    try:
        await step
    except ConnectionError as error:
        raise ClientGoneError from error
