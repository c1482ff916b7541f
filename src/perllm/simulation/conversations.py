"""Conversations: every message brings along all that was said before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perllm.simulation.lengths import LengthModel
from perllm.simulation.streams import stream
from perllm.simulation.token_draws import TokenDraws

Values = NDArray[Any]

# Pieces in which what was said is known again: vLLM's default size of a cache block.
PIECE_TOKENS = 16
# Ids of pieces that each conversation has to itself.
_MOST_PIECES = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """How the conversations of a load go on behind their first message.

    Each has `messages` in all. A later one is all that was said before and `message_tokens` of its own, and comes a
    log-normal gap (`gap_s` its median, `gap_sigma` its logarithm's deviation) after the one before, whether that has
    been answered or not. A conversation ends early where a prompt would be longer than `most_tokens`.
    """

    messages: LengthModel
    message_tokens: LengthModel
    gap_s: float
    gap_sigma: float = 0.0
    most_tokens: int | None = None


class Message(NamedTuple):
    """One message and its answer. Messages of one instant go by `conversation`, then by `turn`."""

    at_s: float
    conversation: int
    turn: int
    kind: int
    prompt_tokens: int
    output_tokens: int
    session: str | None = None
    blocks: Sequence[int] = ()
    answer_blocks: Sequence[int] = ()


class Course(NamedTuple):
    """What was drawn of one conversation behind its first message."""

    gaps_s: Sequence[float]
    message_tokens: Sequence[int]
    output_tokens: Sequence[int]


class Talk:
    """Draws how the conversations of one load go on, one after the other, each quantity from a stream of its own."""

    def __init__(self, name: str, turns: Turns, output_tokens: LengthModel, limit: int | None, seed: int) -> None:
        self._turns = turns
        self._limit = inf if limit is None else limit
        self._messages = TokenDraws([turns.messages], seed, f"workload/turns/{name}/messages")
        self._tokens = TokenDraws([turns.message_tokens], seed, f"workload/turns/{name}/prompts")
        self._outputs = TokenDraws([output_tokens], seed, f"workload/turns/{name}/outputs")
        self._gaps = stream(seed, f"workload/turns/{name}/gaps")

    def draw(self, count: int) -> Iterator[Course]:
        """Draw so many conversations."""
        later = self._messages.draw(np.zeros(count, dtype=int)) - 1
        ends = [0, *np.cumsum(later).tolist()]
        alike = np.zeros(ends[-1], dtype=int)
        gaps_s = self._turns.gap_s * np.exp(self._turns.gap_sigma * self._gaps.standard_normal(len(alike)))
        columns = (gaps_s.tolist(), self._tokens.draw(alike).tolist(), self._outputs.draw(alike).tolist())
        return (Course(*(column[start:end] for column in columns)) for start, end in pairwise(ends))

    def said(self, first: Message, course: Course) -> Iterator[Message]:
        """Yield a conversation's messages, its pieces named so that each prompt begins with all that came before."""
        before = first
        yield self._named(first)
        for gap_s, own_tokens, output_tokens in zip(*course, strict=True):
            prompt_tokens = self._whole(before) + own_tokens
            if self._turns.most_tokens is not None and prompt_tokens > self._turns.most_tokens:
                return
            before = before._replace(
                at_s=before.at_s + gap_s,
                turn=before.turn + 1,
                prompt_tokens=prompt_tokens,
                output_tokens=output_tokens,
            )
            yield self._named(before)

    def _whole(self, message: Message) -> int:
        """Count the tokens of a prompt and its answer, which ends at the client's limit."""
        return message.prompt_tokens + int(min(message.output_tokens, self._limit))

    def _named(self, message: Message) -> Message:
        first = message.conversation * _MOST_PIECES
        read = first + message.prompt_tokens // PIECE_TOKENS
        return message._replace(
            session=f"s{message.conversation}",
            blocks=range(first, read),
            answer_blocks=range(read, first + self._whole(message) // PIECE_TOKENS),
        )


class Conversations:
    """All that is said, in order, however first messages are portioned. Loads without a talk have only those."""

    def __init__(self, talks: Sequence[Talk | None]) -> None:
        self._talks = talks
        self._begun = 0
        self._coming: list[Message] = []

    def begin(self, at_s: Values, kinds: Values, prompt_tokens: Values, output_tokens: Values) -> list[Message]:
        """Take first messages, later than all before; return what was said by the last of them, but for that one."""
        courses = [
            None if talk is None else talk.draw(int(np.count_nonzero(kinds == kind)))
            for kind, talk in enumerate(self._talks)
        ]
        columns = (column.tolist() for column in (at_s, kinds, prompt_tokens, output_tokens))
        for at, kind, prompt, output in zip(*columns, strict=True):
            first = Message(at, self._begun, 0, kind, prompt, output)
            self._begun += 1
            talk, course = self._talks[kind], courses[kind]
            for message in (first,) if talk is None or course is None else talk.said(first, next(course)):
                heappush(self._coming, message)
        return self._said_before(float(at_s[-1]))

    def _said_before(self, at_s: float) -> list[Message]:
        said = []
        while self._coming and self._coming[0].at_s < at_s:
            said.append(heappop(self._coming))
        return said
