"""What one step of an engine reads of the prompts that are being read."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from perllm.costs.time import attention_pairs
from perllm.simulation.sequence import Sequence

# More tokens than any prompt has.
_ENDLESS = 1 << 62


class Portion(Struct, frozen=True, gc=False):
    """What a step reads beside writing: tokens, pairs to attend to, and the readers' noise factors."""

    tokens: int
    pairs: float
    factors: float
    readers: int


def cut_off(readers: Iterable[Sequence], room_tokens: int = _ENDLESS) -> Portion:
    """Cut off what the next step reads of each prompt, in their order while there is room, and add it up."""
    tokens, pairs, factors, count = 0, 0.0, 0.0, 0
    for reader in readers:
        reader.portion = portion = reader.to_read if reader.to_read < room_tokens else room_tokens
        if portion:
            room_tokens -= portion
            tokens += portion
            pairs += attention_pairs(portion, reader.known)
            factors += reader.job.truth.service_factor
            count += 1
    return Portion(tokens, pairs, factors, count)
