"""What clients get: heads that explain the decision, refusals and errors in the OpenAI shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from types import MappingProxyType
from typing import Final

from aiohttp import web

from perllm.domain.action import Dispatch, Refuse
from perllm.domain.reason import Refusal
from perllm.domain.server import Server
from perllm.gateway.errand import Errand
from perllm.machines.failures import AttemptError
from perllm.wire.errors import CallError, error_body, normalise_engine_error, status_for
from perllm.wire.stream import error_frame, frame

EVENT_STREAM_HEAD: Final = MappingProxyType({"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
_REQUEST_ID: Final = "x-request-id"
_SERVICE: Final = "x-perllm-service"
_REASON: Final = "x-perllm-reason"

_WHY_REFUSED: Final = MappingProxyType(
    {
        Refusal.MODEL_NOT_SERVED: "No server serves the model {model!r}. GET /v1/models lists those that are.",
        Refusal.NOT_ALLOWED: "The service {service!r} may not use any server that serves {model!r}.",
        Refusal.CONTEXT_TOO_LONG: "The prompt and its longest answer fit no server's context.",
        Refusal.NO_HEALTHY_SERVER: "No server that may serve this is healthy now.",
        Refusal.CANNOT_MEET_REQUIREMENT: "No server can be expected to serve this in time.",
        Refusal.NO_ROOM: "No server that may serve this has room now.",
        Refusal.QUEUE_FULL: "Too many requests wait already.",
        Refusal.TIMED_OUT: "The request was not served in time.",
        Refusal.ATTEMPTS_EXHAUSTED: "Every server that was tried failed.",
        Refusal.SHUTTING_DOWN: "The gateway is shutting down.",
    }
)


def explaining_head(errand: Errand, dispatch: Dispatch, server: Server) -> dict[str, str]:
    """Say in headers who serves a request and what was expected of it."""
    head = {
        _REQUEST_ID: errand.shown_id,
        "x-perllm-server": server.server_id,
        "x-perllm-tier": server.tier,
        _SERVICE: errand.request.service,
        _REASON: dispatch.choice,
        "x-perllm-attempts": str(dispatch.attempt_number),
    }
    if dispatch.predicted_total_s is not None:
        head["x-perllm-predicted-ms"] = f"{dispatch.predicted_total_s * 1000:.0f}"
    if dispatch.predicted_energy_j is not None:
        head["x-perllm-predicted-energy-j"] = f"{dispatch.predicted_energy_j:.4g}"
    return head


def call_refused(error: CallError, shown_id: str) -> web.Response:
    """Say what is wrong with a call that was not understood."""
    kind = status_for(error.code or "")
    error_type = kind.type if kind.status == error.status else "invalid_request_error"
    body = error_body(error.message, error_type, error.param, error.code)
    return json_answer(body, {_REQUEST_ID: shown_id}, status=error.status)


def refused(errand: Errand, refuse: Refuse, failures: Iterable[str]) -> web.Response:
    """Tell the brain's refusal: why, and when to come again."""
    request = errand.request
    why = _WHY_REFUSED[refuse.reason].format(model=request.model, service=request.service)
    head = {_REQUEST_ID: errand.shown_id, _SERVICE: request.service}
    if refuse.retry_after_s is not None:
        head["retry-after"] = str(max(1, ceil(refuse.retry_after_s)))
    return failed(refuse.reason, " ".join((why, *failures)), head)


def late(errand: Errand) -> web.Response:
    """Tell that the brain has stopped an attempt which took too long."""
    head = {_REQUEST_ID: errand.shown_id, _SERVICE: errand.request.service}
    return failed(Refusal.TIMED_OUT, _WHY_REFUSED[Refusal.TIMED_OUT], head)


def late_frame() -> bytes:
    """Tell the same in a stream that has begun."""
    return _frame(Refusal.TIMED_OUT, _WHY_REFUSED[Refusal.TIMED_OUT])


def failure_frame(failure: AttemptError) -> bytes:
    """Tell a server's failure in a stream that has begun, in the engine's own words where it had any."""
    return frame(failure.body) if failure.body else _frame("upstream_failed", f"The answer broke off: {failure}.")


def engine_refused(errand: Errand, dispatch: Dispatch, server: Server, failure: AttemptError) -> web.Response:
    """Pass on an engine's complaint about the request."""
    body = normalise_engine_error(failure.status, failure.body)
    return json_answer(body, explaining_head(errand, dispatch, server), status=failure.status)


def failed(kind: str, message: str, head: dict[str, str]) -> web.Response:
    """Tell a failure or refusal by its kind."""
    status, error_type, code = status_for(kind)
    return json_answer(error_body(message, error_type, None, code), {**head, _REASON: kind}, status=status)


def json_answer(body: bytes, head: Mapping[str, str], *, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(body=body, status=status, headers=head, content_type="application/json")


def broken_http(message: str) -> web.Response:
    """Answer what is not HTTP."""
    answer = failed("invalid_request", f"This is not HTTP: {message.splitlines()[0]}", {})
    answer.force_close()
    return answer


def gateway_fault() -> web.Response:
    """Answer where the gateway itself failed."""
    answer = failed("internal", "The gateway failed; its log says how.", {})
    answer.force_close()
    return answer


def _frame(kind: str, message: str) -> bytes:
    _, error_type, code = status_for(kind)
    return error_frame(message, error_type, code)
