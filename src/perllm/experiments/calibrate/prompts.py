"""Prompts of about so many tokens, none of which begins like another: no cache of prefixes can know them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

# Short and common, so that most tokenizers make one or two tokens of each.
# fmt: off
_WORDS: Final = (
    "and", "the", "for", "with", "from", "this", "that", "have", "will", "your", "about", "which", "when", "there",
    "their", "would", "make", "like", "time", "just", "know", "take", "into", "year", "good", "some", "could", "them",
    "other", "than", "then", "look", "only", "come", "over", "think", "also", "back", "after", "work", "first",
    "well", "way", "even", "want", "because", "any", "these", "give", "day", "most", "river", "stone", "light",
    "paper", "green", "window", "table", "seven",
)
# fmt: on
# Before anything was measured: a guess, soon corrected.
_TOKENS_PER_WORD: Final = 1.5
_FRAME_TOKENS: Final = 24.0


class Prompts:
    """Writes prompts, and learns from what engines count how many tokens a word has and how many the template adds."""

    def __init__(self, nonce: str) -> None:
        self._random = Random(nonce)
        self._tokens_per_word = _TOKENS_PER_WORD
        self._frame_tokens = _FRAME_TOKENS

    @property
    def shortest_tokens(self) -> int:
        """What the prompt of one word has."""
        return round(self._frame_tokens + self._tokens_per_word)

    def write(self, tokens: float) -> str:
        """Write a prompt that should have so many tokens."""
        return self.of_words(max(round((tokens - self._frame_tokens) / self._tokens_per_word), 1))

    def tokens_of(self, prompt: str) -> int:
        """Estimate the tokens of a prompt."""
        return round(self._frame_tokens + self._tokens_per_word * prompt.count(" "))

    def shuffled(self, lengths: Sequence[float]) -> list[float]:
        """Return lengths in an order of no meaning, so that a drift of the engine does not look like one of them."""
        return self._random.sample(lengths, k=len(lengths))

    def of_words(self, words: int) -> str:
        """Write a prompt of so many words behind a number that no other prompt begins with."""
        return f"{self._random.getrandbits(40):x} {' '.join(self._random.choices(_WORDS, k=words))}"

    def learn(self, few_words: int, few_tokens: int, many_words: int, many_tokens: int) -> None:
        """Take the counts of two prompts for the line through all of them."""
        if many_tokens > few_tokens:
            self._tokens_per_word = (many_tokens - few_tokens) / (many_words - few_words)
            self._frame_tokens = max(few_tokens - few_words * self._tokens_per_word, 0.0)
