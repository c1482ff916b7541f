"""What was measured, before anything is concluded from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstToken:
    """How long one prompt's first token took on an engine that did nothing else.

    `cached_tokens` of its `prompt_tokens` were known to the engine already, by what it says.
    """

    prompt_tokens: int
    cached_tokens: int
    payload_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How long one decode step took while `batch` answers were written that had `context_tokens` in the cache together.

    `told_tokens` is what each prompt was meant to have: steps of one measuring point share it.
    """

    batch: int
    context_tokens: float
    seconds: float
    told_tokens: int


_ENGINE_S: Final = 0.005
"""No idle engine needs longer for a tiny answer (llama.cpp 0.2 ms, measured): what is above it is spent on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTimes:
    """The way to the engine: opening a connection, and the smallest request on an open one.

    `up_bytes_per_s` is None where nothing could be told: the link is faster than the engine takes a body in, or the
    engine does not refuse bodies that it cannot serve.
    """

    connect_s: float
    request_s: float
    up_bytes_per_s: float | None = None

    @property
    def rtt_s(self) -> float:
        """The round trip. Behind a proxy or a tunnel, opening a connection only tells of the way to that."""
        return self.request_s if self.request_s > self.connect_s + _ENGINE_S else self.connect_s
