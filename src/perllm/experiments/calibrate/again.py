"""Measure whether a prompt that was read before is read again."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from perllm.experiments.calibrate.pace import Pace
from perllm.experiments.calibrate.plan import PAIRS
from perllm.experiments.calibrate.samples import FirstToken
from perllm.experiments.calibrate.subject import Subject, first_token

_COLLAPSED: Final = 0.5
"""A cache leaves next to nothing to read, noise leaves nearly all: in between there is nothing to be careful about."""
_LEAST_READING: Final = 2.0
_TINY_S: Final = 1e-9
_LEAST_TOKENS: Final = 192


async def read_again(subject: Subject, pace: Pace, prompt_tokens: int, around_s: float, until_s: float) -> bool | None:
    """Send a few prompts twice each. None where there was no time, or where reading is too short to be told."""
    pairs: list[tuple[FirstToken, FirstToken]] = []
    for _ in range(PAIRS):
        tokens = min(prompt_tokens, pace.prompt_tokens_in((until_s - subject.budget.elapsed_s) / 2))
        enough = tokens >= (prompt_tokens if pairs else _LEAST_TOKENS)
        if not enough or not subject.may_ask(tokens, 1, 2):
            break
        prompt = subject.prompts.write(tokens)
        first = first_token(await subject.say(prompt, 1))
        pairs.append((first, first_token(await subject.say(prompt, 1))))
    return conclude(pairs, around_s)


def conclude(pairs: Sequence[tuple[FirstToken, FirstToken]], around_s: float) -> bool | None:
    """Compare the first time with the second. What an engine itself says of cached tokens decides, if it says it."""
    if not pairs:
        return None
    if any(again.cached_tokens * 2 > again.prompt_tokens for _, again in pairs):
        return True
    if median(first.seconds for first, _ in pairs) < _LEAST_READING * around_s:
        return None
    shares = ((again.seconds - around_s) / max(first.seconds - around_s, _TINY_S) for first, again in pairs)
    return median(shares) < _COLLAPSED
