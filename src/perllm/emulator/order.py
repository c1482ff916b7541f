"""What one request asks of the emulated engine: its job, and the fault it shall meet."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from perllm.domain.request import Request, Requirement
from perllm.emulator.exchange import Exchange
from perllm.emulator.faults import Fault, Where
from perllm.emulator.settings import EmulatorSettings
from perllm.simulation.job import Job, Truth
from perllm.simulation.streams import stream
from perllm.wire.call import Call
from perllm.wire.errors import CallError

# English text, about ("What are tokens and how to count them", OpenAI help centre).
BYTES_PER_TOKEN = 4
# A day: an event loop waits for no longer at a time.
LONGEST_S = 86_400

Count = Annotated[int, Meta(ge=1)]
Factor = Annotated[float, Meta(gt=0)]
Seconds = Annotated[float, Meta(ge=0, le=LONGEST_S)]
WholeSeconds = Annotated[int, Meta(ge=0, le=LONGEST_S)]


class Wishes(Struct, frozen=True, forbid_unknown_fields=True):
    """The body's field `emulate`: what shall be true of this request, instead of what would be drawn."""

    prompt_tokens: Count | None = None
    output_tokens: Count | None = None
    upload_bytes: Count | None = None
    service_factor: Factor | None = None
    link_factor: Factor | None = None
    fault: Fault | None = None
    late_s: Seconds | None = None
    retry_after_s: WholeSeconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request as the emulated engine takes it."""

    job: Job
    fault: Fault | None
    late_s: float
    retry_after_s: int

    def meets(self, where: Where) -> bool:
        """Say whether its fault strikes there."""
        return self.fault is not None and self.fault.where is where

    async def meet(self, where: Where, exchange: Exchange) -> web.StreamResponse | None:
        """Let its fault strike if this is the place, and return what the client gets instead of its answer."""
        if self.fault is None or self.fault.where is not where:
            return None
        return await self.fault.strike(exchange)


_wishes = msgspec.json.Decoder(Wishes)


class OrderBook:
    """Turns calls into orders. Every quantity has its random stream, and every call draws from each of them."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self._settings = settings
        self._lengths, self._service, self._link, self._faults = (
            stream(settings.seed, f"emulator/{settings.server.server_id}/{name}")
            for name in ("lengths", "service-noise", "link-jitter", "faults")
        )

    def take(self, call: Call, order_id: str) -> Order:
        """Return the order of a call. Raises CallError when `emulate` makes no sense."""
        wishes = _read(call)
        request = Request(
            request_id=order_id,
            service="",
            model=call.model,
            requirement=Requirement(),
            payload_bytes=len(call.body),
            prompt_bytes=call.prompt_bytes,
            max_output_tokens=call.max_output_tokens,
            stream=call.stream,
        )
        drawn_fault = self._settings.faults.pick(self._faults.random())
        return Order(
            job=Job(request=request, truth=self._truth(call, wishes)),
            fault=wishes.fault or drawn_fault,
            late_s=self._settings.late_s if wishes.late_s is None else wishes.late_s,
            retry_after_s=self._settings.retry_after_s if wishes.retry_after_s is None else wishes.retry_after_s,
        )

    def _truth(self, call: Call, wishes: Wishes) -> Truth:
        drawn_tokens = self._output_tokens()
        tokens = wishes.output_tokens or drawn_tokens
        service_factor = exp(self._settings.service_noise * self._service.standard_normal())
        link_factor = exp(self._settings.link_jitter * self._link.standard_normal())
        return Truth(
            prompt_tokens=wishes.prompt_tokens or max(call.prompt_bytes // BYTES_PER_TOKEN, 1),
            output_tokens=tokens if call.max_output_tokens is None else min(tokens, call.max_output_tokens),
            upload_bytes=wishes.upload_bytes or len(call.body),
            service_factor=wishes.service_factor or service_factor,
            link_factor=wishes.link_factor or link_factor,
        )

    def _output_tokens(self) -> int:
        lengths = self._settings.output_tokens
        drawn = round(lengths.median_tokens * exp(lengths.sigma * self._lengths.standard_normal()))
        return min(max(drawn, lengths.minimum), lengths.maximum)


def _read(call: Call) -> Wishes:
    try:
        return _wishes.decode(call.fields.get("emulate", b"{}"))
    except msgspec.ValidationError as error:
        fields, faults = ", ".join(Wishes.__struct_fields__), ", ".join(Fault)
        raise CallError(
            f"`emulate`: {error}. Its fields are: {fields}. The faults: {faults}.", param="emulate"
        ) from error
