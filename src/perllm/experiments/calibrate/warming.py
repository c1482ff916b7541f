"""The first requests: they wake the engine, settle how it is asked, and tell roughly how fast it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from perllm.experiments.calibrate.heard import Heard
from perllm.experiments.calibrate.pace import Pace
from perllm.experiments.calibrate.plan import (
    FEW_WORDS,
    LEAST_REFERENCES,
    MANY_WORDS,
    MOST_REFERENCES,
    REFERENCE_ANSWER_TOKENS,
    REFERENCE_SHARE,
    REFERENCE_TOKENS,
    Limits,
)
from perllm.experiments.calibrate.samples import FirstToken
from perllm.experiments.calibrate.subject import Subject, first_token

_WARMING_TOKENS: Final = 16
_DRIFT_FRACTION: Final = 0.10
"""Other load on the engine shows as more than this; the same engine left alone repeats itself within a few percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One and the same measurement, made at the beginning and at the end: a token of a prompt, and a step."""

    token_s: float
    step_s: float

    def drift(self, later: Reference | None) -> list[str]:
        """Say what has changed by more than a tenth."""
        if later is None:
            return []
        changes = (
            ("first tokens", later.token_s / self.token_s - 1.0),
            ("decode steps", later.step_s / self.step_s - 1.0),
        )
        return [
            f"{what} took {change:+.0%} at the end, compared with the beginning: something else used the engine or its"
            " machine, or it was throttled; measure again when it is quiet"
            for what, change in changes
            if abs(change) > _DRIFT_FRACTION
        ]


async def warm_up(subject: Subject, limits: Limits) -> Pace:
    """Ask a few times, first with few words, then with many."""
    prompts = subject.prompts
    few_words, many_words = FEW_WORDS, min(MANY_WORDS, limits.longest_tokens // 4)
    few_answer = await subject.settle_dialect(prompts.of_words(few_words), _WARMING_TOKENS)
    many_answer = await subject.say(prompts.of_words(many_words), _WARMING_TOKENS)
    few, many = first_token(few_answer), first_token(many_answer)
    prompts.learn(few_words, few.prompt_tokens, many_words, many.prompt_tokens)
    return Pace(_faster(few, many), many, _step_s([few_answer, many_answer]))


async def reference(subject: Subject, limits: Limits) -> Reference | None:
    """Measure one point a few times. None where nothing is left of what was announced."""
    tokens = min(REFERENCE_TOKENS, limits.longest_tokens)
    answer_tokens = min(REFERENCE_ANSWER_TOKENS, limits.longest_answer(1, tokens))
    until_s = subject.budget.elapsed_s + subject.budget.until(REFERENCE_SHARE)
    heard: list[Heard] = []
    for _ in range(MOST_REFERENCES):
        over = len(heard) >= LEAST_REFERENCES and subject.budget.elapsed_s >= until_s
        if over or not subject.may_ask(tokens, answer_tokens):
            break
        heard.append(await subject.ask(tokens, answer_tokens))
    if not heard:
        return None
    token_s = median(answer.first_token_s / answer.told.prompt_tokens for answer in heard)
    return Reference(token_s=token_s, step_s=_step_s(heard))


def _faster(one: FirstToken, other: FirstToken) -> FirstToken:
    return min(one, other, key=lambda sample: sample.seconds)


def _step_s(heard: Sequence[Heard]) -> float:
    """Return the time of a token after the first."""
    return median(
        (answer.ended_at_s - answer.first_at_s) / max(answer.told.completion_tokens - 1, 1) for answer in heard
    )
