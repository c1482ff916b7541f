"""From HTTP to an errand: what the client wants, and what the brain is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from perllm.domain.request import Request
from perllm.gateway.body import read_body
from perllm.gateway.errand import Errand
from perllm.gateway.services import ServiceRules, requirement_of
from perllm.gateway.settings import GatewaySettings
from perllm.wire.call import Call, Endpoint, parse_call
from perllm.wire.hints import Hints, read_hints

# What an engine may be told of where a call comes from (W3C Trace Context).
_TRACE: Final = ("traceparent", "tracestate")


async def admit(
    http: web.BaseRequest, endpoint: Endpoint, rules: ServiceRules, settings: GatewaySettings, own_id: str
) -> Errand:
    """Read a call to its end. Raises CallError where it cannot be served as asked."""
    body = await read_body(http, settings)
    call = parse_call(body, endpoint=endpoint)
    hints = read_hints(http.headers)
    shown_id = hints.request_id or own_id
    return Errand(
        call=call,
        # Clients may use an id twice; the brain and the journal may not.
        request=_request(call, hints, rules, own_id if shown_id is own_id else f"{shown_id}~{own_id}"),
        shown_id=shown_id,
        forwarded=_forwarded(http.headers, shown_id),
    )


def _request(call: Call, hints: Hints, rules: ServiceRules, request_id: str) -> Request:
    service = rules.service_of(call, hints)
    limit = call.max_output_tokens
    return Request(
        request_id=request_id,
        service=service.name,
        model=call.model,
        requirement=requirement_of(service, hints),
        payload_bytes=len(call.body),
        prompt_bytes=call.prompt_bytes,
        max_output_tokens=None if limit is None else limit * call.choices,
        stream=call.stream,
        session=call.session,
    )


def _forwarded(headers: Mapping[str, str], shown_id: str) -> dict[str, str]:
    forwarded = {"x-request-id": shown_id}
    for name in _TRACE:
        if name in headers:
            forwarded[name] = headers[name]
    return forwarded
