"""One exchange, from the first byte of its call to the last of its answer, owned by one function.

One rule: every way out of it passes its `finally`, so that nothing of a request stays behind in the brain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from msgspec import Struct

from perllm.domain.action import Dispatch, Refuse
from perllm.domain.attempt import EndingKind
from perllm.errors import UpstreamError
from perllm.gateway.admission import admit
from perllm.gateway.answers import call_refused, engine_refused, failure_frame, late, late_frame, refused
from perllm.gateway.attempt import Attempt
from perllm.gateway.backend import Backend
from perllm.gateway.caller import Caller, ClientGoneError
from perllm.gateway.errand import Errand
from perllm.gateway.relay import relay
from perllm.live.ticket import Ticket
from perllm.machines.failures import AttemptError
from perllm.wire.call import Endpoint
from perllm.wire.errors import CallError


class _Exchange(Struct, frozen=True, gc=False):
    """Both sides of it, its place in the brain, and which servers have failed so far, in words for the client."""

    backend: Backend
    caller: Caller
    errand: Errand
    ticket: Ticket
    failures: list[str] = []


async def exchange(
    backend: Backend, http: web.BaseRequest, endpoint: Endpoint, admitted: Callable[[], None]
) -> web.StreamResponse:
    """Serve one call: read it, let the brain decide, try servers until one has answered or the brain gives up.

    `admitted` is called once the call has been read and understood.
    """
    caller, own_id = Caller(http), next(backend.ids)
    try:
        errand = await admit(http, endpoint, backend.rules, backend.settings, own_id)
    except CallError as error:
        complaint = call_refused(error, own_id)
        # Where the body cannot be read to its end, neither can a next request on this connection.
        return await caller.turn_away(complaint) if error.code in ("body_timeout", "body_broken") else complaint
    admitted()
    ticket = backend.driver.submit(errand.request)
    this = _Exchange(backend, caller, errand, ticket)
    try:
        while True:
            decision = await ticket.decision()
            if isinstance(decision, Refuse):
                return refused(errand, decision, this.failures)
            answer = await _attempt(this, decision)
            if answer is not None:
                return answer
    finally:
        backend.driver.abandon(ticket)


async def _attempt(this: _Exchange, dispatch: Dispatch) -> web.StreamResponse | None:
    """Try one server. Returns what the client got, or None where the brain decides anew."""
    attempt = Attempt(this.backend, this.ticket, dispatch, stream=this.errand.call.stream)
    try:
        async with this.ticket.scope():
            return await relay(this.backend, this.errand, attempt, this.caller)
    except TimeoutError:
        attempt.close(EndingKind.TIMED_OUT)
        return await _tell_lateness(this)
    except UpstreamError as error:
        failure = error if isinstance(error, AttemptError) else AttemptError(str(error))
        may_retry = failure.blame_server and not this.caller.begun
        attempt.close(EndingKind.FAILED, failure, retryable=may_retry)
        return await _tell_failure(this, failure, dispatch)
    except ClientGoneError:
        _leave(this, attempt)
        return this.caller.answer
    except asyncio.CancelledError:
        _leave(this, attempt)
        raise
    finally:
        attempt.abandon()


def _leave(this: _Exchange, attempt: Attempt) -> None:
    this.backend.driver.leave(this.ticket)
    attempt.close(EndingKind.CANCELLED)


async def _tell_lateness(this: _Exchange) -> web.StreamResponse:
    """The brain has stopped the attempt: it took too long."""
    if this.caller.begun:
        return await this.caller.cut(late_frame())
    return late(this.errand)


async def _tell_failure(this: _Exchange, failure: AttemptError, dispatch: Dispatch) -> web.StreamResponse | None:
    """An attempt has failed: say so where it cannot be mended, else only remember it."""
    if this.caller.begun:
        return await this.caller.cut(failure_frame(failure))
    if failure.blame_server:
        this.failures.append(f"{dispatch.server_id}: {failure}.")
        return None
    return engine_refused(this.errand, dispatch, this.backend.servers[dispatch.server_id], failure)
