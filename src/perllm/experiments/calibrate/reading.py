"""Measure first tokens of prompts of several lengths, while the engine does nothing else."""

from __future__ import annotations

from perllm.experiments.calibrate.pace import Pace
from perllm.experiments.calibrate.plan import READING_FRACTIONS, READING_ROUNDS, Limits
from perllm.experiments.calibrate.samples import FirstToken
from perllm.experiments.calibrate.subject import Subject

_ROUNDS_HOPED_FOR = 3
_LEAST_LONGEST_TOKENS = 64


def longest_in_time(limits: Limits, pace: Pace, seconds: float) -> int:
    """Choose the longest prompt so that all lengths can be read a few times in a time."""
    in_time = pace.prompt_tokens_in(seconds / _ROUNDS_HOPED_FOR) / sum(READING_FRACTIONS)
    return min(limits.longest_tokens, max(round(in_time), _LEAST_LONGEST_TOKENS))


async def read_prompts(subject: Subject, pace: Pace, longest: int, until_s: float) -> list[FirstToken]:
    """Time prompts of all lengths, shortest first, then again in no order while there is time."""
    # No tokens: the shortest prompt there is.
    lengths = [0.0, *(longest * fraction for fraction in READING_FRACTIONS)]
    samples = await _round(subject, pace, lengths, until_s)
    for _ in range(READING_ROUNDS - 1):
        samples += await _round(subject, pace, subject.prompts.shuffled(lengths), until_s)
    return samples


async def _round(subject: Subject, pace: Pace, lengths: list[float], until_s: float) -> list[FirstToken]:
    samples = []
    for tokens in lengths:
        late = subject.budget.elapsed_s + pace.first_token_s(tokens) > until_s and tokens > 0.0
        if late or not subject.may_ask(tokens, 1):
            continue
        sample = await subject.first_token(tokens)
        samples.append(sample)
        if tokens == max(lengths):
            pace.heard_first_token(sample)
    return samples
