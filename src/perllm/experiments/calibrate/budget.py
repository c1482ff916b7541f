"""What a calibration may use at most: seconds, requests and tokens. Said before it starts, and then kept to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from perllm.errors import UpstreamError


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Requests and their tokens."""

    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )

    def times(self, count: int) -> Amount:
        """Return so many of it."""
        return Amount(
            requests=count * self.requests,
            prompt_tokens=count * self.prompt_tokens,
            output_tokens=count * self.output_tokens,
        )

    def fits(self, limit: Amount) -> bool:
        """Whether it is within another in every respect."""
        return (
            self.requests <= limit.requests
            and self.prompt_tokens <= limit.prompt_tokens
            and self.output_tokens <= limit.output_tokens
        )


class SpentError(UpstreamError):
    """What was allowed is used up."""


class Budget:
    """Counts what is sent, and knows how much time is left. Made inside a running loop, where its time begins."""

    def __init__(self, limit: Amount, seconds: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._began_at_s = self._clock()
        self.limit = limit
        self.seconds = seconds
        self.used = Amount()

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._began_at_s

    @property
    def left_s(self) -> float:
        return self.seconds - self.elapsed_s

    def until(self, fraction: float) -> float:
        """Return the time that may have elapsed when so much of the whole is over."""
        return self.seconds * fraction

    def allows(self, more: Amount) -> bool:
        """Whether this could still be sent."""
        return (self.used + more).fits(self.limit)

    def take(self, more: Amount) -> None:
        """Note what is about to be sent. Raises SpentError where it would be too much."""
        if not self.allows(more):
            raise SpentError("the calibration would use more tokens than it announced")
        self.used += more

    def correct(self, prompt_tokens: int, output_tokens: int) -> None:
        """Note that an answer took so many more tokens than were noted before, or fewer."""
        self.used += Amount(prompt_tokens=prompt_tokens, output_tokens=output_tokens)
