"""Read from an engine's answer what it cost: tokens, joules, the time of its phases."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

_MS_PER_S: Final = 1000


class Usage(Struct, frozen=True, kw_only=True, gc=False):
    """What an engine says a request took. None: it did not say.

    `energy_method` is how it says that it knows its joules. `prompt_s` and `predicted_s` are prefill and decode by
    llama.cpp's `timings`.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None
    energy_j: float | None = None
    energy_method: str | None = None
    prompt_s: float | None = None
    predicted_s: float | None = None


_Told = TypeVar("_Told")

_Tokens = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Amount = Annotated[float, Meta(ge=0)]


class _Details(Struct, gc=False):
    cached_tokens: _Tokens | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: _Tokens
    completion_tokens: _Tokens
    prompt_tokens_details: _Details | None = None
    energy_j: _Amount | None = None
    energy_method: object = None


class _Timings(Struct, gc=False):
    prompt_ms: _Amount | None = None
    predicted_ms: _Amount | None = None


class _Reply(Struct, gc=False):
    usage: object = None
    timings: object = None


class _GoodReply(Struct, gc=False):
    usage: _Usage | None = None
    timings: _Timings | None = None


_reply = msgspec.json.Decoder(_Reply)
_good_reply = msgspec.json.Decoder(_GoodReply)


def read_usage(body: bytes) -> Usage | None:
    """Read the usage of a whole answer, or None where it has none that can be believed."""
    try:
        good = _good_reply.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_doubtful(body)
    return None if good.usage is None else _told(good.usage, good.timings)


def _read_doubtful(body: bytes) -> Usage | None:
    """Read an answer in which something is not as it should be: a part of it may still be believed."""
    try:
        reply = _reply.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return believe(reply.usage, reply.timings)


def believe(usage: object, timings: object) -> Usage | None:
    """Take the decoded `usage` and `timings` of an answer for true, each as a whole or not at all."""
    told = None if usage is None else _converted(usage, _Usage)
    return None if told is None else _told(told, None if timings is None else _converted(timings, _Timings))


def _told(told: _Usage, timings: _Timings | None) -> Usage:
    timed = timings or _Timings()
    details = told.prompt_tokens_details
    return Usage(
        prompt_tokens=told.prompt_tokens,
        completion_tokens=told.completion_tokens,
        cached_tokens=None if details is None else details.cached_tokens,
        energy_j=told.energy_j,
        energy_method=told.energy_method if isinstance(told.energy_method, str) else None,
        prompt_s=_seconds(timed.prompt_ms),
        predicted_s=_seconds(timed.predicted_ms),
    )


def is_json_content_type(content_type: str | None) -> bool:
    """Say whether a content type announces JSON, such as `application/json; charset=utf-8`."""
    media = _media_type(content_type)
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


def is_event_stream(content_type: str | None) -> bool:
    """Say whether a content type announces server-sent events."""
    return _media_type(content_type) == "text/event-stream"


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _converted(value: object, kind: type[_Told]) -> _Told | None:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / _MS_PER_S
