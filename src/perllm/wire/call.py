"""Read a client's call, and write it again for the engine it goes to."""

from __future__ import annotations

import re
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, NoReturn

import msgspec
from msgspec import Meta, Raw, Struct

from perllm.wire.errors import CallError

_TOKEN_ID_BYTES: Final = 4
"""English text per token, about ("What are tokens and how to count them", OpenAI help centre)."""


class Endpoint(StrEnum):
    """Where a call was sent, below `/v1/`."""

    CHAT = "chat/completions"
    COMPLETIONS = "completions"


class Call(Struct, frozen=True, kw_only=True, gc=False):
    """What a client asked for.

    `fields` are the top-level members as they came, the last where a key stands twice. `prompt_bytes` is the
    text an engine turns into tokens: contents, tool definitions and tool calls. `choices` is how many answers
    are asked for, `n` to each prompt, and `max_output_tokens` the most of one of them.
    """

    endpoint: Endpoint
    model: str
    stream: bool
    max_output_tokens: int | None
    choices: int
    prompt_bytes: int
    service_hint: str | None
    service_tier: str | None
    session: str | None
    wants_usage: bool
    fields: dict[str, Raw]
    body: bytes


# Engines keep token counts in 32 bits, so a larger number could only be a mistake.
_Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]


# OpenAI bounds such names at 64 to 512 characters; unbounded, they would end up in the journal and in error messages.
_LONGEST_NAME: Final = 512


class _Part(Struct, gc=False):
    text: str | None = None


class _Message(Struct):
    content: str | list[str | _Part] | None = None
    tool_calls: Raw = Raw()


class _Metadata(Struct, gc=False):
    service: str | None = None


class _StreamOptions(Struct, gc=False):
    include_usage: bool | None = None


class _Body(Struct, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=_LONGEST_NAME)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    n: _Count | None = None
    metadata: _Metadata | None = None
    service_tier: Annotated[str, Meta(max_length=_LONGEST_NAME)] | None = None
    prompt_cache_key: Annotated[str, Meta(max_length=_LONGEST_NAME)] | None = None
    safety_identifier: Annotated[str, Meta(max_length=_LONGEST_NAME)] | None = None
    user: Annotated[str, Meta(max_length=_LONGEST_NAME)] | None = None


class _Chat(_Body, kw_only=True):
    messages: Annotated[list[_Message], Meta(min_length=1)]

    def measure(self) -> tuple[int, int]:
        """Count the prompts, and the bytes of their text."""
        return 1, sum(map(_message_bytes, self.messages))


class _Completion(_Body, kw_only=True):
    prompt: str | Annotated[list[str | int | list[int]], Meta(min_length=1)]

    def measure(self) -> tuple[int, int]:
        """Count the prompts, and the bytes of their text; a list of token ids is one prompt."""
        if isinstance(self.prompt, str):
            return 1, _text_bytes(self.prompt)
        prompts = sum(not isinstance(part, int) for part in self.prompt)
        return max(prompts, 1), sum(map(_prompt_bytes, self.prompt))


_chat = msgspec.json.Decoder(_Chat)
_completion = msgspec.json.Decoder(_Completion)
_fields = msgspec.json.Decoder(dict[str, Raw])
_options = msgspec.json.Decoder(dict[str, Raw] | None)

_TEXT_OR_NOTHING: Final = "Send a string, or leave it out."
_COUNT_OR_NOTHING: Final = "Send a whole number of at least 1, or leave it out."
_REMEDIES: Final = MappingProxyType(
    {
        "model": "Name one of the models listed by GET /v1/models.",
        "messages": 'Send a list with at least one message, such as {"role": "user", "content": "Hello"}.',
        "prompt": "Send a string, or a list of strings or token ids.",
        "stream": "Send true or false, without quotes.",
        "stream_options": 'Send an object, such as {"include_usage": true}, or leave it out.',
        "max_tokens": _COUNT_OR_NOTHING,
        "max_completion_tokens": _COUNT_OR_NOTHING,
        "n": _COUNT_OR_NOTHING,
        "metadata": 'Send an object with text values, such as {"service": "chat"}, or leave it out.',
        "service_tier": _TEXT_OR_NOTHING,
        "prompt_cache_key": _TEXT_OR_NOTHING,
        "safety_identifier": _TEXT_OR_NOTHING,
        "user": _TEXT_OR_NOTHING,
    }
)
_COMPLAINT: Final = re.compile(
    r"(?:Object missing required field `(?P<missing>\w+)`|(?P<what>.*?))(?: - at `\$\.?(?P<where>.*)`)?"
)


def parse_call(body: bytes, *, endpoint: Endpoint) -> Call:
    """Read the body of a call. Raises CallError, which says what to send instead."""
    asked, fields = _read(body, endpoint)
    prompts, prompt_bytes = asked.measure()
    if "tools" in fields:
        prompt_bytes += memoryview(fields["tools"]).nbytes
    stream, options, metadata = asked.stream is True, asked.stream_options, asked.metadata
    return Call(
        endpoint=endpoint,
        model=asked.model,
        stream=stream,
        max_output_tokens=asked.max_completion_tokens or asked.max_tokens,
        choices=prompts * (asked.n or 1),
        prompt_bytes=prompt_bytes,
        service_hint=None if metadata is None else metadata.service,
        service_tier=asked.service_tier,
        session=asked.prompt_cache_key or asked.user or asked.safety_identifier,
        wants_usage=stream and options is not None and options.include_usage is True,
        fields=fields,
        body=body,
    )


def render_upstream(call: Call, *, engine_model: str, ask_usage: bool) -> bytes:
    """Write the call for an engine that knows the model as `engine_model`.

    Every other field keeps its bytes. With `ask_usage` a stream asks for token counts beside its own options.
    """
    changes: dict[str, object] = {}
    if engine_model != call.model:
        changes["model"] = engine_model
    if ask_usage and call.stream and not call.wants_usage:
        options = _options.decode(call.fields.get("stream_options", b"null")) or {}
        changes["stream_options"] = {**options, "include_usage": True}
    return msgspec.json.encode({**call.fields, **changes}) if changes else call.body


def _read(body: bytes, endpoint: Endpoint) -> tuple[_Chat | _Completion, dict[str, Raw]]:
    try:
        # The decoders skip what they need not know without a look at its encoding.
        _ = body.isascii() or body.decode()
        fields = _fields.decode(body)
        return (_chat if endpoint is Endpoint.CHAT else _completion).decode(body), fields
    except msgspec.ValidationError as error:
        _refuse_fields(error)
    except msgspec.DecodeError as error:
        _refuse_json(error, body)
    except UnicodeDecodeError as error:
        raise CallError(f"The body is not UTF-8 (byte {error.start}). Encode the JSON as UTF-8.") from error
    except RecursionError as error:
        raise CallError("The body is nested too deeply. Send flatter JSON.") from error


def _message_bytes(message: _Message) -> int:
    content, size = message.content, memoryview(message.tool_calls).nbytes
    if isinstance(content, str):
        return size + _text_bytes(content)
    for part in content or ():
        size += _text_bytes(part if isinstance(part, str) else part.text or "")
    return size


def _prompt_bytes(part: str | int | list[int]) -> int:
    if isinstance(part, str):
        return _text_bytes(part)
    return _TOKEN_ID_BYTES * (1 if isinstance(part, int) else len(part))


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _refuse_json(error: msgspec.DecodeError, body: bytes) -> NoReturn:
    problem = str(error).removeprefix("JSON is malformed: ")
    if "truncated" in problem:
        problem = f"it breaks off, or a string ends in half a surrogate pair (byte {len(body)})"
    raise CallError(f"The body is not valid JSON: {problem}. Send one JSON object.") from error


def _refuse_fields(error: msgspec.ValidationError) -> NoReturn:
    complaint = _COMPLAINT.fullmatch(str(error))
    missing, what, where = complaint.group("missing", "what", "where") if complaint else (None, str(error), None)
    param = missing or where
    if param is None:
        raise CallError("The body must be one JSON object, such as a client library sends.") from error
    remedy = _REMEDIES.get(re.split(r"[.\[]", param)[0], "")
    if missing:
        raise CallError(f"`{param}` is missing. {remedy}", param=param, code="missing_required_parameter") from error
    raise CallError(f"`{param}`: {what[:1].lower()}{what[1:]}. {remedy}", param=param, code="invalid_value") from error
