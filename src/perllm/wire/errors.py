"""Errors in the OpenAI shape: their bodies, the status of each kind, and engines' own dialects."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from perllm.errors import PerLLMError

_QUOTED_CHARACTERS: Final = 500
_document = msgspec.json.Decoder(dict[str, object])


class CallError(PerLLMError):
    """The client asked for something that cannot be served as asked; the message says what to do instead."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.status = status


class ErrorKind(NamedTuple):
    """What a kind of failure looks like to a client."""

    status: int
    type: str
    code: str | None


_INVALID: Final = "invalid_request_error"
_LIMIT: Final = "rate_limit_error"
_SERVER: Final = "server_error"
_TIMEOUT: Final = "timeout_error"

_KINDS: Final = MappingProxyType(
    {
        "invalid_request": (400, _INVALID),
        "context_too_long": (400, _INVALID),
        "unauthorized": (401, "authentication_error"),
        "not_allowed": (403, "permission_error"),
        "not_found": (404, _INVALID),
        "model_not_found": (404, _INVALID),
        "model_not_served": (404, _INVALID),
        "method_not_allowed": (405, _INVALID),
        "body_timeout": (408, _TIMEOUT),
        "body_too_large": (413, _INVALID),
        "overloaded": (429, _LIMIT),
        "queue_full": (429, _LIMIT),
        "no_room": (429, _LIMIT),
        "internal": (500, _SERVER),
        "upstream_failed": (502, _SERVER),
        "attempts_exhausted": (502, _SERVER),
        "no_server": (503, _SERVER),
        "no_healthy_server": (503, _SERVER),
        "too_late": (503, _SERVER),
        "infeasible": (503, _SERVER),
        "cannot_meet_requirement": (503, _SERVER),
        "shutting_down": (503, _SERVER),
        "upstream_timeout": (504, _TIMEOUT),
        "timed_out": (504, _TIMEOUT),
    }
)


def status_for(kind: str) -> ErrorKind:
    """Say how to answer for a refusal reason or failure kind, written with hyphens or underscores.

    A kind nobody has listed is our fault, so it is told as `internal`.
    """
    code = kind.replace("-", "_")
    if code not in _KINDS:
        code = "internal"
    return ErrorKind(*_KINDS[code], code)


def error_body(message: str, type: str, param: str | None = None, code: str | int | None = None) -> bytes:
    """Render the error object every OpenAI client understands."""
    return msgspec.json.encode({"error": {"message": message, "type": type, "param": param, "code": code}})


def normalise_engine_error(status: int, body: bytes) -> bytes:
    """Give an engine's error answer the OpenAI shape; one that has it already passes unchanged."""
    try:
        told = _document.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = {"message": body[:_QUOTED_CHARACTERS].decode(errors="replace").strip()}
    error = told.get("error")
    if isinstance(error, dict):
        if isinstance(error.get("message"), str):
            return body
        told = error
    message = _first_text(error, told.get("message"), told.get("detail"))
    param, code = told.get("param"), told.get("code")
    return error_body(
        message or f"The engine answered with status {status} and no explanation.",
        _first_text(told.get("type")) or _type_of(status),
        param if isinstance(param, str) else None,
        code if isinstance(code, (str, int)) else None,
    )


def _first_text(*candidates: object) -> str | None:
    return next((text for text in candidates if isinstance(text, str) and text), None)


def _type_of(status: int) -> str:
    if status == 429:
        return _LIMIT
    return _SERVER if status >= 500 else _INVALID
