"""How many bytes an answer is on the link."""

from __future__ import annotations

# One token as a `chat.completion.chunk` event with a short id and model name (238 bytes from llama.cpp, measured).
STREAMED_TOKEN_BYTES = 250.0
# One JSON body: English text at about four bytes a token with its JSON escapes, then its other members and the head.
PLAIN_TOKEN_BYTES = 5.0
PLAIN_BYTES = 300.0


def last_bytes(stream: bool, tokens: int) -> float:
    """Return what must still cross the link when the last token is there: one event, or the whole body."""
    return STREAMED_TOKEN_BYTES if stream else reply_bytes(stream, tokens)


def reply_bytes(stream: bool, tokens: int) -> float:
    """Return the size of an answer of `tokens`."""
    return STREAMED_TOKEN_BYTES * tokens if stream else PLAIN_BYTES + PLAIN_TOKEN_BYTES * tokens
