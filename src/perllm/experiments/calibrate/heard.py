"""One streamed answer as it was heard: when its tokens came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from perllm.machines.failures import AttemptError
from perllm.machines.http import UpstreamClient
from perllm.wire.reply import Usage
from perllm.wire.stream import StreamReader

ENGINE: Final = "engine"
CHAT: Final = "/v1/chat/completions"

OnFrames = Callable[[int], None]


@dataclass(slots=True, kw_only=True)
class Heard:
    """An answer. `arrivals` are the instants at which events with content came, and how many had come by then."""

    sent_at_s: float
    payload_bytes: int
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    ended_at_s: float = 0.0
    usage: Usage | None = None

    @property
    def first_at_s(self) -> float:
        """When the first token came. One that has no text of its own is known by the end of the answer."""
        return self.arrivals[0][0] if self.arrivals else self.ended_at_s

    @property
    def first_token_s(self) -> float:
        return self.first_at_s - self.sent_at_s

    @property
    def frames(self) -> int:
        return self.arrivals[-1][1] if self.arrivals else 0

    @property
    def told(self) -> Usage:
        """The token counts, which an answer that was heard to its end has."""
        assert self.usage is not None
        return self.usage

    @property
    def tokens_per_frame(self) -> float:
        """How many tokens an event stands for: engines may put several into one, or hold one back for the next."""
        return max(self.told.completion_tokens, 1) / max(self.frames, 1)


async def listen(client: UpstreamClient, body: bytes, on_frames: OnFrames | None = None) -> Heard:
    """Send a call and hear its answer to the end. Raises AttemptError; whoever leaves hangs up."""
    clock = asyncio.get_running_loop().time
    heard = Heard(sent_at_s=clock(), payload_bytes=len(body))
    reply = await client.open(ENGINE, CHAT, body, {}, stream=True)
    try:
        reader = StreamReader(drop_usage=False)
        while not reader.finished:
            piece = await reply.read_some()
            _note(heard, reader, piece, clock())
            if on_frames is not None and heard.frames:
                on_frames(heard.frames)
        await reply.finish()
    finally:
        reply.close()
    if heard.usage is None:
        raise AttemptError("the engine tells no token counts (`usage`) at the end of a stream")
    return heard


def _note(heard: Heard, reader: StreamReader, piece: bytes, now_s: float) -> None:
    """Note what a piece of the stream says. Raises AttemptError where it is the last and should not be."""
    _ = reader.feed(piece) if piece else reader.end()
    heard.ended_at_s = now_s
    heard.usage = reader.usage
    if reader.frames_with_content > heard.frames:
        heard.arrivals.append((now_s, reader.frames_with_content))
    if reader.error is not None:
        raise AttemptError("the engine failed in its answer", body=reader.error)
    if not piece and not reader.finished:
        raise AttemptError("the engine's answer was cut")
