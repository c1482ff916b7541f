"""Carry a call to an engine and its answer to the client.

One rule: an attempt that went well is closed at the instant of the engine's last byte, before the client gets it: a
slow reader is no slow server.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web

from perllm.domain.attempt import EndingKind
from perllm.gateway.answers import EVENT_STREAM_HEAD, explaining_head, json_answer
from perllm.gateway.attempt import Attempt
from perllm.gateway.backend import Backend
from perllm.gateway.caller import Caller
from perllm.gateway.errand import Errand
from perllm.machines.failures import AttemptError
from perllm.machines.http import Reply
from perllm.wire.call import render_upstream
from perllm.wire.reply import read_usage
from perllm.wire.stream import StreamReader


async def relay(backend: Backend, errand: Errand, attempt: Attempt, caller: Caller) -> web.StreamResponse:
    """Serve the call from the attempt's server. Raises AttemptError, or ClientGoneError."""
    call, server_id = errand.call, attempt.dispatch.server_id
    upstream = backend.upstreams[server_id]
    body = render_upstream(call, engine_model=upstream.models.get(call.model, call.model), ask_usage=True)
    attempt.moved_bytes += len(body)
    attempt.reply = reply = await backend.client.open(
        server_id, f"/v1/{call.endpoint}", body, errand.forwarded, stream=call.stream
    )
    head = explaining_head(errand, attempt.dispatch, backend.servers[server_id])
    if call.stream:
        return await _relay_stream(attempt, reply, caller, head, StreamReader(drop_usage=not call.wants_usage))
    return json_answer(await _read_plain(attempt, reply, backend.settings.max_reply_bytes), head)


async def _relay_stream(
    attempt: Attempt, reply: Reply, caller: Caller, head: Mapping[str, str], reader: StreamReader
) -> web.StreamResponse:
    """Relay event by event. The head waits for the first: until then another server may still answer."""
    while True:
        events = await _next_events(attempt, reply, reader)
        if reader.finished:
            break
        if events:
            if not caller.begun:
                await caller.begin({**head, **EVENT_STREAM_HEAD})
            await caller.send(events)
    attempt.close(EndingKind.COMPLETED)
    if not caller.begun:
        await caller.begin({**head, **EVENT_STREAM_HEAD})
    answer = await caller.end(events)
    await reply.finish()
    return answer


async def _next_events(attempt: Attempt, reply: Reply, reader: StreamReader) -> bytes:
    piece = await reply.read_some()
    attempt.moved_bytes += len(piece)
    events = reader.feed(piece) if piece else reader.end()
    attempt.heard(reader.frames_with_content)
    attempt.told = reader.usage
    if reader.error is not None:
        raise AttemptError("the engine failed in its answer", body=reader.error)
    if not piece and not reader.finished:
        raise AttemptError("the engine's answer was cut")
    return events


async def _read_plain(attempt: Attempt, reply: Reply, limit_bytes: int) -> bytes:
    """Read a whole answer and close its attempt."""
    pieces, free_bytes = [], limit_bytes
    while piece := await reply.read_some():
        pieces.append(piece)
        attempt.moved_bytes += len(piece)
        free_bytes -= len(piece)
        if free_bytes < 0:
            raise AttemptError(f"the engine's answer is larger than {limit_bytes} bytes")
    body = b"".join(pieces)
    attempt.told = read_usage(body)
    if attempt.told is None and not _is_json(body):
        raise AttemptError("the engine's answer is not whole JSON")
    attempt.close(EndingKind.COMPLETED)
    return body


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
