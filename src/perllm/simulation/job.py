"""A request together with what the scheduler must not know of it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from perllm.domain.request import Request

# The pieces by which Mooncake's published traces tell shared prefixes.
BLOCK_TOKENS = 512
# One token as a `chat.completion.chunk` event with a short id and model name (238 bytes from llama.cpp, measured).
STREAMED_TOKEN_BYTES = 250.0


class Truth(Struct, frozen=True, kw_only=True, gc=False):
    """What will be true of one request.

    `service_factor` multiplies the engine's time for it, `link_factor` its time on links: noise around 1.
    `leaves_at_s` is when the client hangs up, unless it was answered before. `blocks` are ids of the prompt's pieces of
    `block_tokens`: equal ids at the start of two prompts are a shared prefix. `answer_blocks` are those that only the
    answer fills, for a prompt that goes on from it. A streamed token weighs `token_bytes`.
    """

    prompt_tokens: int
    output_tokens: int
    upload_bytes: int
    service_factor: float = 1.0
    link_factor: float = 1.0
    leaves_at_s: float | None = None
    blocks: Sequence[int] = ()
    answer_blocks: Sequence[int] = ()
    block_tokens: int = BLOCK_TOKENS
    token_bytes: float = STREAMED_TOKEN_BYTES

    def __post_init__(self) -> None:
        """Refuse an answer of no tokens: an engine knows it has finished by a token."""
        if self.prompt_tokens < 1 or self.output_tokens < 1:
            raise ValueError("a prompt and an answer have at least one token each")


class Job(Struct, frozen=True, kw_only=True, gc=False):
    """One request of a workload and its hidden truth."""

    request: Request
    truth: Truth
