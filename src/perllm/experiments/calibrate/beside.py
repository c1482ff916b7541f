"""Measure what a long prompt does to an answer under way: does it stand still until the prompt is read, or go on?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log2
from statistics import median
from typing import Final

import numpy as np

from perllm.domain.profile import Batching
from perllm.experiments.calibrate.heard import Heard
from perllm.experiments.calibrate.pace import Pace
from perllm.experiments.calibrate.plan import PAIRS, SHORT_TOKENS, Limits
from perllm.experiments.calibrate.samples import FirstToken
from perllm.experiments.calibrate.subject import Subject, task_group

_EVENTS_BEFORE: Final = 8
_EVENTS_AFTER: Final = 8
_SMALLEST_PIECE_TOKENS: Final = 128
"""Smaller pieces are of no use to any engine."""
_LEAST_TOKENS: Final = 192
_LEAST_STEPS: Final = 6
"""A prompt that is read in less than so many steps could not be told from noise."""
_WHOLE: Final = 0.75
"""A gap of so much of the reading is one piece: the rest is the way there, and steps that ended first."""
_SLOWED: Final = 1.5
_PIECE: Final = 0.25
"""Pieces are of one size but the last; a gap of less than this share of the longest may be anything."""
_NEAR: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """How one prompt was read beside an answer: its tokens, its reading, and the gaps of the answer meanwhile."""

    prompt_tokens: int
    reading_s: float
    gaps_s: Sequence[float]
    step_s: float

    @property
    def slowed_s(self) -> list[float]:
        """The gaps in which a piece of the prompt was read: too long for a step that only writes, and not by chance."""
        least_s = max(_SLOWED * self.step_s, _PIECE * max(self.gaps_s, default=0.0))
        return [gap_s for gap_s in self.gaps_s if gap_s > least_s]

    def piece_tokens(self, curve: Curve) -> float | None:
        """How many tokens of the prompt the first piece had, None where it was read in one.

        The first is as large as pieces get; later ones may be slower, for they attend to what is read already.
        """
        slowed_s = self.slowed_s
        if len(slowed_s) < 2 or max(slowed_s) >= _WHOLE * self.reading_s:
            return None
        return curve.tokens_read_in(slowed_s[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the engine fits prompts in between steps, and up to how many tokens of a prompt that was seen."""

    batching: Batching
    prompt_tokens: int
    step_tokens: int | None = None


class Curve:
    """How many tokens of a prompt are read in a time, between the lengths that were measured."""

    def __init__(self, first_tokens: Sequence[FirstToken], around_s: float) -> None:
        ordered = sorted(first_tokens, key=lambda sample: sample.seconds)
        self._seconds = [0.0, *(sample.seconds - around_s for sample in ordered)]
        self._tokens = [0.0, *(float(sample.prompt_tokens - sample.cached_tokens) for sample in ordered)]

    def tokens_read_in(self, seconds: float) -> float:
        """Look it up."""
        return float(np.interp(seconds, self._seconds, self._tokens))


async def read_beside(
    subject: Subject, limits: Limits, pace: Pace, curve: Curve, prompt_tokens: int, until_s: float
) -> Manner | None:
    """Try it a few times. None where there was no time, or where prompts are read too fast to be told."""
    seen: list[Beside] = []
    for _ in range(PAIRS):
        left_s = until_s - subject.budget.elapsed_s
        tokens = int(min(prompt_tokens, pace.prompt_tokens_in(left_s - _answer_tokens(prompt_tokens) * pace.step_s(1))))
        enough = tokens >= (prompt_tokens if seen else _LEAST_TOKENS)
        if not enough or not subject.may_ask(tokens, _answer_tokens(prompt_tokens), 2):
            break
        one = await _once(subject, limits, tokens)
        if one is not None:
            seen.append(one)
    return conclude(seen, curve)


def conclude(seen: Sequence[Beside], curve: Curve) -> Manner | None:
    """Take the pieces of all that was seen together."""
    if not seen:
        return None
    tokens = max(one.prompt_tokens for one in seen)
    pieces = [piece for one in seen if (piece := one.piece_tokens(curve)) is not None]
    if len(pieces) * 2 <= len(seen):
        return Manner(batching=Batching.PREFILL_FIRST, prompt_tokens=tokens)
    return Manner(batching=Batching.CHUNKED, prompt_tokens=tokens, step_tokens=_near_power_of_two(median(pieces)))


def gaps_while(answer: Heard, prompt: Heard) -> list[float]:
    """Return the gaps of an answer that lie in the reading of a prompt, at least in part."""
    return [
        later_s - earlier_s
        for (earlier_s, _), (later_s, _) in pairwise(answer.arrivals)
        if later_s > prompt.sent_at_s and earlier_s < prompt.first_at_s
    ]


def _answer_tokens(prompt_tokens: int) -> int:
    """Return how long an answer must be to outlast a prompt that is read in many pieces beside it."""
    return _EVENTS_BEFORE + prompt_tokens // _SMALLEST_PIECE_TOKENS + _EVENTS_AFTER


async def _once(subject: Subject, limits: Limits, prompt_tokens: int) -> Beside | None:
    answer_tokens = min(_answer_tokens(prompt_tokens), limits.longest_answer(1, SHORT_TOKENS))
    under_way = asyncio.Event()

    def begun(frames: int) -> None:
        if frames >= _EVENTS_BEFORE:
            under_way.set()

    async with task_group() as group:
        answering = group.create_task(subject.ask(SHORT_TOKENS, answer_tokens, begun))
        # An answer that ends by itself before that is no answer to set a prompt beside.
        answering.add_done_callback(lambda _: under_way.set())
        await under_way.wait()
        prompt = await subject.ask(prompt_tokens, 1)
    return beside(answering.result(), prompt)


def beside(answer: Heard, prompt: Heard) -> Beside | None:
    """Put the two together. None where the answer was over too soon, or the reading too short."""
    before = [
        later_s - earlier_s for (earlier_s, _), (later_s, _) in pairwise(answer.arrivals) if later_s <= prompt.sent_at_s
    ]
    if not before or answer.ended_at_s < prompt.first_at_s:
        return None
    step_s, reading_s = median(before), prompt.first_at_s - prompt.sent_at_s
    if reading_s < _LEAST_STEPS * step_s:
        return None
    tokens = prompt.told.prompt_tokens - (prompt.told.cached_tokens or 0)
    return Beside(prompt_tokens=tokens, reading_s=reading_s, gaps_s=gaps_while(answer, prompt), step_s=step_s)


def _near_power_of_two(tokens: float) -> int:
    """Engines are configured with powers of two: one that is near is meant."""
    power = 2 ** round(log2(tokens))
    return power if abs(power / tokens - 1.0) <= _NEAR else round(tokens)
