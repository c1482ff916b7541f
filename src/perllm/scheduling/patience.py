"""How long a request may wait: for room until it would be late, and for company as long as that pays."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf
from statistics import NormalDist

from perllm.scheduling.fleet import ServerState
from perllm.scheduling.judging import Judgement
from perllm.scheduling.predictor import confident_total_s, lateness_per_s

# Waits that are weighed, one after the other.
COMPANY_WAITS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6, 2.4, 3.2)
# Company that has not come after so many times the usual gap is not waited for.
MOST_GAPS = 5.0
# Being in time is worth so many times the joules of the request. Our choice: see docs/policies.md for what it changes.
WORTH = 20.0
# The company that is waited for may not come, and those who have waited have nothing left for what comes next.
CAUTION = 0.5


def room_s(case: Judgement, states: Sequence[ServerState], confidence: float) -> float:
    """Return how long the request can wait for a full server and still be in time with this confidence."""
    need, candidates = case.need, case.candidates
    if need.budget_s == inf and need.first_token_budget_s == inf:
        return inf
    z = NormalDist().inv_cdf(min(max(confidence, 0.01), 0.999))
    longest_s = 0.0
    for row in case.full:
        if candidates.in_time_probability[row] >= confidence:
            first_s, token_s = float(candidates.first_token_s[row]), float(candidates.token_s[row])
            time_sd = 0.0 if case.foreseen else states[row].time_sd
            total_s = confident_total_s(need, z, time_sd, first_s, token_s)
            spare_s = min(need.budget_s - total_s, need.first_token_budget_s - first_s * exp(z * time_sd))
            longest_s = max(longest_s, spare_s)
    return longest_s


def company_s(case: Judgement, row: int, state: ServerState) -> float:
    """Return how long to wait for others on the way to a server that reads prompts first.

    Going alone costs a reading step of which only the prompt's own arithmetic is not shared with whoever comes along:
    `shared_s`, for which all who are being served there stand still. The next one is expected in `gap_s`. Waiting for
    them pays while the chances lost by those who wait are fewer than those that sharing saves, joules counted too.
    """
    gathering, need = state.gathering, case.need
    if not (gathering.pays and state.batch) or need.budget_s == inf or gathering.left_at_s == case.now_s:
        return 0.0
    if state.batch + len(gathering.losses) + 1 >= state.slots:
        # The next one would find no room, and this one's might be taken.
        return 0.0
    candidates = case.candidates
    first_s, token_s = float(candidates.first_token_s[row]), float(candidates.token_s[row])
    shared_s, shared_j = state.shared_reading(need.prompt_tokens)
    saved = shared_s * state.exposure + shared_j / (WORTH * float(candidates.energy_j[row]))
    bearable = CAUTION * saved / gathering.gap_s - gathering.loss_per_s(but=case.record.request.request_id)
    left_s = MOST_GAPS * gathering.gap_s - (case.now_s - case.record.arrived_at_s)
    longest_s = 0.0
    for wait_s in COMPANY_WAITS_S:
        if wait_s > left_s or lateness_per_s(need, state.time_sd, first_s, token_s, wait_s) > bearable:
            break
        longest_s = wait_s
    return longest_s
