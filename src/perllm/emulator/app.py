"""The emulated engine's HTTP face."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from aiohttp import web

from perllm.domain.attempt import Ending, EndingKind
from perllm.emulator.answer import Answer
from perllm.emulator.exchange import Exchange, json_answer, unavailable
from perllm.emulator.faults import Where
from perllm.emulator.loading import Loader
from perllm.emulator.order import Order, OrderBook
from perllm.emulator.settings import EmulatorSettings
from perllm.emulator.ticker import Events, Ticker
from perllm.simulation.engine import Engine
from perllm.simulation.trouble import Outage
from perllm.wire.call import Call, Endpoint, parse_call
from perllm.wire.errors import CallError, error_body
from perllm.wire.models import render_models

MAX_BODY_BYTES = 64 * 2**20
EVENT_STREAM_HEAD = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
# What llama.cpp's server says meanwhile (its README, GET /health).
LOADING = b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}'


class Emulator:
    """One emulated engine, made inside the running event loop that shall serve its `application`."""

    def __init__(self, settings: EmulatorSettings, *, outages: Iterable[Outage] = ()) -> None:
        self._settings = settings
        self._book = OrderBook(settings)
        engine = Engine(settings.server, report_every_s=settings.frames_every_s, outages=outages)
        self._ticker = Ticker(engine)
        self._loader = Loader(settings.loading)
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
        return json_answer(200, render_models([self._settings.model], created_at_s=0.0))

    async def _health(self, http: web.Request) -> web.StreamResponse:
        if not self._ticker.healthy:
            return unavailable()
        return json_answer(503, LOADING) if self._loader.loading else json_answer(200, b'{"status":"ok"}')

    async def _clean_up(self, application: web.Application) -> None:
        self._loader.close()
        self._ticker.close()

    async def _serve(self, http: web.Request, endpoint: Endpoint) -> web.StreamResponse:
        order_id = f"emulated-{next(self._numbers)}"
        try:
            call = parse_call(await http.read(), endpoint=endpoint)
            order = self._book.take(call, order_id)
            self._check_model(call)
        except CallError as error:
            body = error_body(error.message, "invalid_request_error", error.param, error.code)
            return json_answer(error.status, body)
        exchange = Exchange(
            http=http,
            answer=Answer(call, order.job, order_id, self._ticker.now_s),
            loader=self._loader,
            late_s=order.late_s,
            retry_after_s=order.retry_after_s,
        )
        instead = await order.meet(Where.BEFORE, exchange)
        return await self._work(order, exchange, order_id) if instead is None else instead

    async def _work(self, order: Order, exchange: Exchange, order_id: str) -> web.StreamResponse:
        """Put a request through the engine. Whatever ends this takes the request out of it."""
        relay = _stream if order.job.request.stream else _whole
        async with self._loader.in_use():
            events = self._ticker.start(order_id, order.job)
            try:
                return await relay(order, exchange, events)
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


async def _whole(order: Order, exchange: Exchange, events: Events) -> web.StreamResponse:
    ending = await events.get()
    if not isinstance(ending, Ending) or ending.kind is not EndingKind.COMPLETED:
        return unavailable()
    instead = await order.meet(Where.HEAD, exchange)
    if instead is not None:
        return instead
    await order.meet(Where.END, exchange)
    body = exchange.answer.whole(ending)
    if order.meets(Where.MIDWAY):
        await exchange.send_half(body)
        await order.meet(Where.MIDWAY, exchange)
    return json_answer(200, body)


async def _stream(order: Order, exchange: Exchange, events: Events) -> web.StreamResponse:
    """Relay what the engine reports; the head goes out with the first token."""
    response, sent = web.StreamResponse(headers=EVENT_STREAM_HEAD), 0
    while True:
        event = await events.get()
        if isinstance(event, Ending) and event.kind is not EndingKind.COMPLETED:
            return await exchange.cut() if sent else unavailable()
        instead = await order.meet(Where.MIDWAY if sent else Where.HEAD, exchange)
        if instead is not None:
            return instead
        if sent == 0:
            await response.prepare(exchange.http)
        tokens = event.output_tokens if isinstance(event, Ending) else event.tokens
        said, sent = exchange.answer.tokens(sent, tokens), tokens
        if isinstance(event, Ending):
            await order.meet(Where.END, exchange)
            await response.write(said + exchange.answer.end(event))
            return response
        await response.write(said)
