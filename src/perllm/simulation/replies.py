"""How many bytes an answer is on the link."""

from __future__ import annotations

from perllm.simulation.job import Job

# One JSON body: English text at about four bytes a token with its JSON escapes, then its other members and the head.
PLAIN_TOKEN_BYTES = 5.0
PLAIN_BYTES = 300.0


def last_bytes(job: Job, tokens: int) -> float:
    """Return what must still cross the link when the last token is there: one event, or the whole body."""
    return job.truth.token_bytes if job.request.stream else reply_bytes(job, tokens)


def reply_bytes(job: Job, tokens: int) -> float:
    """Return the size of an answer of `tokens`."""
    return job.truth.token_bytes * tokens if job.request.stream else PLAIN_BYTES + PLAIN_TOKEN_BYTES * tokens
