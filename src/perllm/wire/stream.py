"""Relay server-sent events: whole frames go on, and what they tell is counted on the way."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import Struct

from perllm.errors import UpstreamError
from perllm.wire.errors import error_body, normalise_engine_error
from perllm.wire.reply import Usage, believe

MAX_FRAME_BYTES: Final = 2**20
DONE: Final = b"data: [DONE]\n\n"

_FRAME: Final = re.compile(rb"(?:(?!\r?\n)[^\n]*+\n)*+\r?\n")
"""Lines that are not empty, then one that is: never ambiguous, hence never a step back."""


class _Delta(Struct):
    content: object = None
    reasoning_content: object = None
    reasoning: object = None
    tool_calls: object = None
    refusal: object = None


class _Choice(Struct):
    delta: _Delta | None = None
    text: object = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    usage: object = None
    timings: object = None
    error: object = None
    kind: object = msgspec.field(default=None, name="object")


# Faster than a search for the words that make a chunk special: 0.5 against 0.8 us for 238 bytes, measured.
_chunk = msgspec.json.Decoder(_Chunk)


def frame(payload: bytes) -> bytes:
    """Wrap one line of data as an event."""
    return b"data: " + payload + b"\n\n"


def error_frame(message: str, type: str, code: str | None = None) -> bytes:
    """Tell an error in a stream whose head is already sent."""
    return frame(error_body(message, type, None, code))


class StreamReader:
    """What has passed of one engine's stream.

    `frames_with_content` stands for the output tokens until `usage` is known; `finished` once `[DONE]` came;
    `error` is the engine's complaint as an OpenAI error body. With `drop_usage`, the frame that holds nothing
    but usage is kept back: the gateway asked for it, not the client.
    """

    __slots__ = ("_drop_usage", "_rest", "error", "finished", "frames_with_content", "usage")

    def __init__(self, *, drop_usage: bool) -> None:
        self._drop_usage = drop_usage
        self._rest = b""
        self.frames_with_content = 0
        self.usage: Usage | None = None
        self.finished = False
        self.error: bytes | None = None

    def feed(self, received: bytes) -> bytes:
        """Take bytes from the engine, cut anywhere; return the whole frames the client is to get.

        Raises UpstreamError when a frame does not end within MAX_FRAME_BYTES.
        """
        data = self._rest + received
        if data.endswith(b"\n\n") and data.count(b"\n") == 2:
            # Nearly always: one frame of one line.
            self._rest = b""
            return self._relay(data)
        passed, at = [], 0
        while found := _FRAME.match(data, at):
            passed.append(self._relay(found[0]))
            at = found.end()
        self._rest = data[at:]
        if len(self._rest) > MAX_FRAME_BYTES:
            raise UpstreamError(f"the engine sent a frame of more than {MAX_FRAME_BYTES} bytes")
        return b"".join(passed)

    def end(self) -> bytes:
        """Take the end of the engine's bytes: a cut frame is lost, `[DONE]` without its empty line is not."""
        rest, self._rest = self._rest.strip(), b""
        return self.feed(DONE) if rest in (b"data: [DONE]", b"data:[DONE]") else b""

    def _relay(self, whole: bytes) -> bytes:
        payload = _payload(whole)
        try:
            chunk = _chunk.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.finished = self.finished or payload.strip() == b"[DONE]"
            return whole
        if chunk.error or chunk.kind == "error":
            complaint = payload.strip()
            self.error = normalise_engine_error(500, complaint)
            return whole if self.error is complaint else frame(self.error)
        for choice in chunk.choices or ():
            if _says_something(choice):
                self.frames_with_content += 1
                break
        if chunk.usage is None:
            return whole
        self.usage = believe(chunk.usage, chunk.timings) or self.usage
        return b"" if self._drop_usage and not chunk.choices else whole


def _payload(whole: bytes) -> bytes:
    """Take the data out of a frame: nothing, from a comment or an empty line."""
    if whole.startswith(b"data:") and whole.count(b"\n") == 2:
        return whole[5:]
    return b"\n".join(line[5:].strip() for line in whole.split(b"\n") if line.startswith(b"data:"))


def _says_something(choice: _Choice) -> bool:
    said = choice.delta
    if said is None:
        return bool(choice.text)
    return bool(said.content or said.reasoning_content or said.reasoning or said.tool_calls or said.refusal)
