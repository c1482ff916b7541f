"""What a client asks for, as the scheduler may know it: never the true output length."""

from __future__ import annotations

from msgspec import Struct


class Requirement(Struct, frozen=True, kw_only=True, gc=False):
    """How soon a request must be served, counted from the moment it was fully read. None: no such limit."""

    total_s: float | None = None
    first_token_s: float | None = None


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """One request of a service.

    `payload_bytes` crosses the link; `prompt_bytes` is the text in it, from which its tokens are estimated.
    `allowed_servers` narrows the choice further than the service does (a picker's subset, a pinned request).
    `hold_until_s` is the last instant at which the caller accepts having no decision; None leaves it to the slack.
    """

    request_id: str
    service: str
    model: str
    requirement: Requirement
    payload_bytes: int
    prompt_bytes: int
    max_output_tokens: int | None = None
    stream: bool = False
    session: str | None = None
    allowed_servers: frozenset[str] | None = None
    hold_until_s: float | None = None
