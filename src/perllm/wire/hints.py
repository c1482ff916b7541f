"""Read what a client says in headers of its wishes: how soon, for which service, under which id."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final

from msgspec import Struct

from perllm.wire.errors import CallError

_REQUIREMENT: Final = "x-perllm-requirement-ms"
_NAMES: Final = (
    _REQUIREMENT,
    "x-llm-d-slo-ttft-ms",
    "x-litellm-timeout",
    "x-stainless-read-timeout",
    "x-perllm-service",
    "x-request-id",
)
_REQUEST_ID_CHARACTERS: Final = 128
_MS_PER_S: Final = 1000


class Hints(Struct, frozen=True, kw_only=True, gc=False):
    """What the headers of a call tell. `client_timeout_s`: when the client hangs up, a bound."""

    requirement_s: float | None = None
    first_token_s: float | None = None
    client_timeout_s: float | None = None
    service: str | None = None
    request_id: str | None = None


_NOTHING: Final = (None,) * len(_NAMES)
_NO_HINTS: Final = Hints()


def read_hints(headers: Mapping[str, str]) -> Hints:
    """Read the hints from headers, which are looked up by lower-case name.

    Only our own are held to their form (CallError): SDKs fill in theirs unasked, with words like `not-given`.
    """
    told = tuple(map(headers.get, _NAMES))
    if told == _NOTHING:
        return _NO_HINTS
    requirement, first_token, call_timeout, read_timeout, service, request_id = told
    timeouts_s = (_time_s(call_timeout), _time_s(read_timeout))
    return Hints(
        requirement_s=_requirement_s(requirement),
        first_token_s=_time_s(first_token, per_s=_MS_PER_S),
        client_timeout_s=min((timeout_s for timeout_s in timeouts_s if timeout_s is not None), default=None),
        service=(service or "").strip() or None,
        request_id=_request_id(request_id),
    )


def _requirement_s(text: str | None) -> float | None:
    requirement_s = _time_s(text, per_s=_MS_PER_S)
    if requirement_s is None and text is not None:
        raise CallError(
            f"{_REQUIREMENT}: {text[:40]!r} is no time. Send milliseconds above 0, such as 2500.",
            param=_REQUIREMENT,
            code="invalid_value",
        )
    return requirement_s


def _time_s(text: str | None, per_s: int = 1) -> float | None:
    if text is None:
        return None
    try:
        time_s = float(text) / per_s
    except ValueError:
        return None
    return time_s if 0 < time_s < inf else None


def _request_id(text: str | None) -> str | None:
    if text is None or not 0 < len(text) <= _REQUEST_ID_CHARACTERS:
        return None
    return text if text.isascii() and text.isprintable() and " " not in text else None
