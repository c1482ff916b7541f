"""What will be asked: lengths of prompts, answers at once, how often, and the most it can add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from perllm.experiments.calibrate.budget import Amount

READING_FRACTIONS: Final = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0)
READING_ROUNDS: Final = 5
WRITING_ROUNDS: Final = 3
PAIRS: Final = 3
"""How often it is tried whether a prompt stalls an answer, and whether it is read again."""
LEAST_REFERENCES: Final = 2
MOST_REFERENCES: Final = 8
REFERENCE_SHARE: Final = 0.03
"""How often the reference is measured: until this share of the time is over. One alone may be off by chance."""
FEW_WORDS: Final = 12
MANY_WORDS: Final = 160
SHORT_TOKENS: Final = 48
REFERENCE_TOKENS: Final = 256
REFERENCE_ANSWER_TOKENS: Final = 48
MOST_ANSWER_TOKENS: Final = 512
_LONGEST_PROMPT_TOKENS: Final = 8192
_LONG_TOGETHER_TOKENS: Final = 24_576
"""Prompts of this length tell attention from reading on known engines; longer ones cost time and money."""
_CONTEXT_SHARE: Final = 0.75
"""Prompts come out some percent longer than meant, and an answer must fit behind them."""
_TOKENS_OFF: Final = 1.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the engine takes: so many answers at once are tried, and so many tokens for one and for all of them."""

    most_batch: int
    context_tokens: int
    kv_tokens: int

    @property
    def longest_tokens(self) -> int:
        """The longest prompt that is safe."""
        return int(min(_LONGEST_PROMPT_TOKENS, _CONTEXT_SHARE * min(self.context_tokens, self.kv_tokens)))

    def longest_together(self, batch: int, answer_tokens: int) -> int:
        """The longest prompts that so many answers at once may have, each with an answer of so many tokens."""
        room = min(int(_CONTEXT_SHARE * self.kv_tokens / batch), self.longest_tokens) - answer_tokens
        return max(min(room, _LONG_TOGETHER_TOKENS // batch), 1)

    def longest_answer(self, batch: int, prompt_tokens: float) -> int:
        """The longest answers that fit behind prompts of so many tokens, for so many at once."""
        room = min(self.context_tokens, self.kv_tokens // batch) - round(prompt_tokens * _TOKENS_OFF)
        return max(min(room, MOST_ANSWER_TOKENS), 1)


def batches(most: int) -> list[int]:
    """Return 1, 2, 4 … and the most itself."""
    doubled = [1]
    while doubled[-1] * 2 < most:
        doubled.append(doubled[-1] * 2)
    return doubled if most == 1 else [*doubled, most]


def most_used(limits: Limits) -> Amount:
    """Add up the most that a calibration can use."""
    longest = limits.longest_tokens
    warming = Amount(requests=5, prompt_tokens=3 * 4 * (FEW_WORDS + MANY_WORDS), output_tokens=96)
    reference = Amount(requests=1, prompt_tokens=min(REFERENCE_TOKENS, longest), output_tokens=REFERENCE_ANSWER_TOKENS)
    reading = Amount(
        requests=len(READING_FRACTIONS) + 1,
        prompt_tokens=round(sum(READING_FRACTIONS) * longest) + SHORT_TOKENS,
        output_tokens=len(READING_FRACTIONS) + 1,
    )
    pair = Amount(requests=4, prompt_tokens=3 * longest + SHORT_TOKENS, output_tokens=MOST_ANSWER_TOKENS + 3)
    most = (
        warming
        + reference.times(2 * MOST_REFERENCES)
        + reading.times(READING_ROUNDS)
        + _writing(limits).times(WRITING_ROUNDS)
        + pair.times(PAIRS)
    )
    return Amount(
        requests=most.requests,
        prompt_tokens=round(most.prompt_tokens * _TOKENS_OFF),
        output_tokens=most.output_tokens,
    )


def _writing(limits: Limits) -> Amount:
    together = sum(batches(limits.most_batch)) + limits.most_batch
    long_tokens = limits.longest_tokens + _LONG_TOGETHER_TOKENS
    longer = 2 * (limits.most_batch + 1)
    return Amount(
        requests=together + longer,
        prompt_tokens=together * SHORT_TOKENS + min(2 * long_tokens, longer * limits.longest_tokens),
        output_tokens=(together + longer) * MOST_ANSWER_TOKENS,
    )
