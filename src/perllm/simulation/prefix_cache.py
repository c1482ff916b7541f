"""What an engine still has of earlier prompts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

# The pieces by which Mooncake's published traces tell shared prefixes.
BLOCK_TOKENS = 512


class PrefixCache:
    """Blocks of prompts in the order of their last use; the longest unused give way first."""

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def known_tokens(self, blocks: Sequence[int], prompt_tokens: int) -> int:
        """Count the tokens at a prompt's start that need not be read: its last one always is."""
        hits = 0
        for block in blocks:
            if block not in self._blocks:
                break
            hits += 1
        return min(hits * BLOCK_TOKENS, prompt_tokens - 1)

    def use(self, blocks: Sequence[int]) -> None:
        """Make a prompt's blocks the last used ones, its first one last of all: without it the others are no use."""
        for block in reversed(blocks):
            if block in self._blocks:
                self._blocks.move_to_end(block)

    def keep(self, blocks: Sequence[int], room_tokens: int) -> None:
        """Keep a prompt's blocks, and of all blocks those that fit what running requests leave of the cache."""
        for block in blocks:
            self._blocks[block] = None
        self.use(blocks)
        while len(self._blocks) * BLOCK_TOKENS > max(room_tokens, 0):
            self._blocks.popitem(last=False)

    def clear(self) -> None:
        """Forget everything, as a machine does that restarts."""
        self._blocks.clear()
