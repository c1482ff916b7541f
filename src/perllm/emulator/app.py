"""The emulated engine's HTTP face."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import count

from aiohttp import web

from perllm.domain.attempt import Ending, EndingKind
from perllm.emulator.answer import Answer
from perllm.emulator.order import Order, OrderBook
from perllm.emulator.settings import EmulatorSettings, Fault
from perllm.emulator.ticker import Events, Ticker
from perllm.simulation.engine import Engine
from perllm.simulation.trouble import Outage
from perllm.wire.call import Call, Endpoint, parse_call
from perllm.wire.errors import CallError, error_body
from perllm.wire.models import render_models

MAX_BODY_BYTES = 64 * 2**20
EVENT_STREAM_HEAD = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}


class Emulator:
    """One emulated engine, made inside the running event loop that shall serve its `application`."""

    def __init__(self, settings: EmulatorSettings, *, outages: Iterable[Outage] = ()) -> None:
        self._settings = settings
        self._book = OrderBook(settings)
        engine = Engine(settings.server, report_every_s=settings.frames_every_s, outages=outages)
        self._ticker = Ticker(engine)
        self._numbers = count(1)
        # A client that leaves takes its request with it, whatever the handler is waiting for.
        self.application = web.Application(client_max_size=MAX_BODY_BYTES, handler_args={"handler_cancellation": True})
        self.application.add_routes(
            [
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/completions", self._complete),
                web.get("/v1/models", self._models),
                web.get("/health", self._health),
            ]
        )
        self.application.on_cleanup.append(self._clean_up)

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        return await self._serve(http, Endpoint.CHAT)

    async def _complete(self, http: web.Request) -> web.StreamResponse:
        return await self._serve(http, Endpoint.COMPLETIONS)

    async def _models(self, http: web.Request) -> web.StreamResponse:
        return _json(200, render_models([self._settings.model], created_at_s=0.0))

    async def _health(self, http: web.Request) -> web.StreamResponse:
        return _json(200, b'{"status":"ok"}') if self._ticker.healthy else _unavailable()

    async def _clean_up(self, application: web.Application) -> None:
        self._ticker.close()

    async def _serve(self, http: web.Request, endpoint: Endpoint) -> web.StreamResponse:
        order_id = f"emulated-{next(self._numbers)}"
        try:
            call = parse_call(await http.read(), endpoint=endpoint)
            order = self._book.take(call, order_id)
            self._check_model(call)
        except CallError as error:
            body = error_body(error.message, "invalid_request_error", error.param, error.code)
            return _json(error.status, body)
        if order.fault is Fault.UNAVAILABLE:
            return _unavailable()
        if order.fault is Fault.STALL_HEAD:
            await _for_ever()
        answer = Answer(call, order.job, order_id, self._ticker.now_s)
        events = self._ticker.start(order_id, order.job)
        try:
            return await (_stream if call.stream else _whole)(http, order, events, answer)
        finally:
            self._ticker.stop(order_id)

    def _check_model(self, call: Call) -> None:
        if call.model != self._settings.model:
            raise CallError(
                f"The model {call.model!r} does not exist here; there is {self._settings.model!r}.",
                param="model",
                code="model_not_found",
                status=404,
            )


async def _whole(http: web.Request, order: Order, events: Events, answer: Answer) -> web.StreamResponse:
    ending = await events.get()
    if not isinstance(ending, Ending) or ending.kind is not EndingKind.COMPLETED:
        return _unavailable()
    if order.fault is Fault.STALL_STREAM:
        await _for_ever()
    body = answer.whole(ending)
    if order.fault is Fault.CUT:
        await _begin_and_cut(http, body)
    return _json(200, body)


async def _stream(http: web.Request, order: Order, events: Events, answer: Answer) -> web.StreamResponse:
    """Relay what the engine reports; the head goes out with the first token."""
    response, sent = web.StreamResponse(headers=EVENT_STREAM_HEAD), 0
    while True:
        event = await events.get()
        failed = isinstance(event, Ending) and event.kind is not EndingKind.COMPLETED
        if failed and sent == 0:
            return _unavailable()
        if failed or (sent and order.fault is Fault.CUT):
            await _cut(http)
        if sent and order.fault is Fault.STALL_STREAM:
            await _for_ever()
        if sent == 0:
            await response.prepare(http)
        tokens = event.output_tokens if isinstance(event, Ending) else event.tokens
        said, sent = answer.tokens(sent, tokens), tokens
        if isinstance(event, Ending):
            await response.write(said + answer.end(event))
            return response
        await response.write(said)


async def _begin_and_cut(http: web.Request, body: bytes) -> None:
    """Promise a whole body, send half of it, and hang up."""
    head = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    response = web.StreamResponse(headers=head)
    await response.prepare(http)
    await response.write(body[: len(body) // 2])
    await _cut(http)


async def _cut(http: web.Request) -> None:
    """Hang up; the loss of the connection then cancels the handler that waits here."""
    if http.transport is not None:
        http.transport.close()
    await _for_ever()


async def _for_ever() -> None:
    """Wait until the handler is cancelled, because the client has left or the server stops."""
    await asyncio.get_running_loop().create_future()


def _unavailable() -> web.Response:
    return _json(503, error_body("The engine is not available.", "server_error", None, "unavailable"))


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
