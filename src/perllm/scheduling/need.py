"""What a request needs, as far as can be known before it is served."""

from __future__ import annotations

from math import inf

from msgspec import Struct
from msgspec.structs import replace

from perllm.scheduling.lengths import Lengths
from perllm.scheduling.records import RequestRecord

# A plain answer is one JSON body: its text at about five bytes a token (English text, four, and JSON escapes).
PLAIN_BYTES_PER_TOKEN = 5.0


class Need(Struct, frozen=True, gc=False):
    """Sizes and what is left of the requirement. `limit` is the client's own bound on the answer; infinite: none.

    `log_mean` and `log_variance` describe the length of an answer without that bound; `upper_tokens` is exceeded by one
    answer in ten.
    `taught` says whether the service's own answers, and not only its description, stand behind these numbers.
    """

    prompt_tokens: float
    prompt_log_sd: float
    limit: float
    mean_tokens: float
    log_mean: float
    log_variance: float
    upper_tokens: float
    payload_bytes: int
    moved_bytes: float
    budget_s: float
    first_token_budget_s: float
    taught: bool


def need_of(record: RequestRecord, lengths: Lengths, now_s: float) -> Need:
    """Put together what a request needs from what it says and what its service has taught."""
    request = record.request
    limit = inf if request.max_output_tokens is None else float(max(request.max_output_tokens, 1))
    output_log, mean_tokens = lengths.output_log, lengths.mean_tokens(limit)
    bytes_per_token = record.service.reply_bytes_per_token if request.stream else PLAIN_BYTES_PER_TOKEN
    first_token_s = request.requirement.first_token_s if request.stream else None
    return Need(
        lengths.prompt_tokens(request.prompt_bytes),
        lengths.prompt_ratio_log.sd,
        limit,
        mean_tokens,
        output_log.mean,
        output_log.sd * output_log.sd,
        lengths.upper_tokens(limit),
        request.payload_bytes,
        request.payload_bytes + mean_tokens * bytes_per_token,
        record.deadline_at_s - now_s,
        inf if first_token_s is None else record.arrived_at_s + first_token_s - now_s,
        lengths.taught(now_s),
    )


def put_off(need: Need, by_s: float) -> Need:
    """Return what the request will need after so long."""
    return replace(need, budget_s=need.budget_s - by_s, first_token_budget_s=need.first_token_budget_s - by_s)
