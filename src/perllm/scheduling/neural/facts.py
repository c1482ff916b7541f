"""What a policy can see of a request and its servers without any prediction of its own."""

from __future__ import annotations

from perllm.costs.time import decode_step_s
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.scheduling.candidates import Candidates

# English text; how many tokens a prompt really has is known only after it was read.
_BYTES_PER_TOKEN = 4.0


def prompt_tokens_of(request: Request) -> float:
    """Return about how many tokens a prompt has."""
    return request.prompt_bytes / _BYTES_PER_TOKEN


def expected_tokens_of(candidates: Candidates, row: int) -> float:
    """Return the expected length of the answer: what the shared estimate for a server was made with."""
    writing_s = candidates.total_s[row] - candidates.first_token_s[row]
    return writing_s / candidates.token_s[row] + 1.0


def capacity_tokens_per_s(server: Server) -> float:
    """Return what a server writes with all its slots in use, by its profile."""
    return server.slots / decode_step_s(server.speed, server.slots)


def free_fraction(server: Server, outstanding: int) -> float:
    """Return the share of a server's slots that nobody has."""
    return max(server.slots - outstanding, 0) / server.slots


def backlog_of(server: Server, outstanding: int) -> float:
    """Return how many requests wait for each slot."""
    return max(outstanding - server.slots, 0) / server.slots


def bytes_per_s_of(server: Server) -> float:
    """Return the rate of a server's link, the slower way."""
    return min(server.link.up_bytes_per_s, server.link.down_bytes_per_s)


def squashed(value: float, half: float) -> float:
    """Return a share below 1 that grows with a value without bounds; `half` of it is half."""
    return value / (value + half)
