"""What an engine still has of earlier prompts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from perllm.simulation.job import BLOCK_TOKENS
from perllm.simulation.sequence import Sequence as Attempt


class PrefixCache:
    """Blocks of prompts in the order of their last use; the longest unused give way first."""

    __slots__ = ("_blocks", "_tokens")

    def __init__(self) -> None:
        # With the tokens of each.
        self._blocks: OrderedDict[int, int] = OrderedDict()
        self._tokens = 0

    def known_tokens(self, blocks: Sequence[int], prompt_tokens: int, block_tokens: int = BLOCK_TOKENS) -> int:
        """Count the tokens at a prompt's start that need not be read: its last one always is."""
        hits = 0
        for block in blocks:
            if block not in self._blocks:
                break
            hits += 1
        return min(hits * block_tokens, prompt_tokens - 1)

    def unread(self, attempt: Attempt) -> int:
        """Count what must be read of a prompt that waits."""
        truth = attempt.job.truth
        return attempt.context_tokens - self.known_tokens(truth.blocks, truth.prompt_tokens, truth.block_tokens)

    def admit(self, attempt: Attempt) -> None:
        """Let a prompt in that is read from where it is not known."""
        attempt.to_read = self.unread(attempt)
        attempt.known = attempt.context_tokens - attempt.to_read
        self.use(attempt.job.truth.blocks)
        # Later readings find what this very request has left there.
        if not attempt.written:
            attempt.cached_tokens = attempt.known

    def keep_answer(self, attempt: Attempt, room_tokens: int) -> None:
        """Keep prompt and answer together, where anything is known of what may go on from them."""
        truth = attempt.job.truth
        if truth.answer_blocks:
            self.keep([*truth.blocks, *truth.answer_blocks], room_tokens, truth.block_tokens)

    def use(self, blocks: Sequence[int]) -> None:
        """Make a prompt's blocks the last used ones, its first one last of all: without it the others are no use."""
        for block in reversed(blocks):
            if block in self._blocks:
                self._blocks.move_to_end(block)

    def keep(self, blocks: Sequence[int], room_tokens: int, block_tokens: int = BLOCK_TOKENS) -> None:
        """Keep a text's blocks, and of all blocks those that fit what running requests leave of the cache."""
        for block in blocks:
            if block not in self._blocks:
                self._blocks[block] = block_tokens
                self._tokens += block_tokens
        self.use(blocks)
        while self._tokens > max(room_tokens, 0):
            self._tokens -= self._blocks.popitem(last=False)[1]

    def clear(self) -> None:
        """Forget everything, as a machine does that restarts."""
        self._blocks.clear()
        self._tokens = 0
