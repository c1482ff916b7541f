"""A request together with what the scheduler must not know of it."""

from __future__ import annotations

from msgspec import Struct

from perllm.domain.request import Request


class Truth(Struct, frozen=True, kw_only=True):
    """What will be true of one request.

    `service_factor` multiplies the engine's time for it, `link_factor` its time on links: noise around 1.
    `leaves_at_s` is when the client hangs up, unless it was answered before.
    `blocks` are ids of the prompt's 512-token pieces: equal ids at the start of two prompts are a shared prefix.
    """

    prompt_tokens: int
    output_tokens: int
    upload_bytes: int
    service_factor: float = 1.0
    link_factor: float = 1.0
    leaves_at_s: float | None = None
    blocks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an answer of no tokens: an engine knows it has finished by a token."""
        if self.prompt_tokens < 1 or self.output_tokens < 1:
            raise ValueError("a prompt and an answer have at least one token each")


class Job(Struct, frozen=True, kw_only=True):
    """One request of a workload and its hidden truth."""

    request: Request
    truth: Truth
