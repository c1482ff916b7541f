"""How long a request may wait: for room until it would be late, and for company as long as that pays."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf
from statistics import NormalDist

from perllm.scheduling.fleet import ServerState
from perllm.scheduling.gathering import Gathering
from perllm.scheduling.judging import Judgement
from perllm.scheduling.need import put_off
from perllm.scheduling.predictor import confident_total_s, in_time_probability, lateness_per_s

# Waits that are weighed, one after the other.
COMPANY_WAITS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6, 2.4, 3.2)
# Company that has not come after so many times the usual gap is not waited for.
MOST_GAPS = 5.0
# An idle server is not kept waiting for less than this part of the request's joules: nobody likes to wait for nothing.
WORTHWHILE = 0.02
# Who has a requirement for its first token waits no longer than leaves so many deviations of that time.
FIRST_TOKEN_Z = 2.0
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
        if float(candidates.in_time_probability[row]) >= confidence:
            first_s, token_s = float(candidates.first_token_s[row]), float(candidates.token_s[row])
            time_sd = 0.0 if case.foreseen else states[row].time_sd
            total_s = confident_total_s(need, z, time_sd, first_s, token_s)
            spare_s = min(need.budget_s - total_s, need.first_token_budget_s - first_s * exp(z * time_sd))
            longest_s = max(longest_s, spare_s)
    return longest_s


def company_s(case: Judgement, row: int, state: ServerState, worth: float) -> float:
    """Return how long to wait for others on the way to a server, being in time worth so many requests' joules."""
    gathering = state.gathering
    if case.need.budget_s == inf or gathering.gap_s == inf or gathering.left_at_s == case.now_s:
        return 0.0
    if state.batch + len(gathering.losses) + 1 >= state.slots:
        # The next one would find no room, and this one's might be taken.
        return 0.0
    price_j = worth * float(case.candidates.energy_j[row])
    if not state.batch:
        return _shared_start_s(case, row, state, price_j)
    return _shared_reading_s(case, row, state, price_j) if state.reads_first else 0.0


def _row_of(case: Judgement, row: int) -> tuple[float, float, float, float]:
    """Return seconds to the first token, per token and in all, and the chance of being in time, as plain numbers."""
    columns = case.candidates
    return (
        float(columns.first_token_s[row]),
        float(columns.token_s[row]),
        float(columns.total_s[row]),
        float(columns.in_time_probability[row]),
    )


def _left_s(case: Judgement, gathering: Gathering) -> float:
    """Return for how much longer company is waited for, whatever it would save."""
    return MOST_GAPS * gathering.gap_s - (case.now_s - case.record.arrived_at_s)


def _shared_start_s(case: Judgement, row: int, state: ServerState, price_j: float) -> float:
    """Return how long to wait before an idle server is put to work.

    Who comes meanwhile shares all of the time that this request would otherwise have had the server for itself; watts
    are saved where two write in less than twice the time of one. With the next one expected in `gap_s`, at any time
    alike, waiting up to w saves watts * E[time until it comes, if it comes by then]. It costs chances: the wait, and
    that the other's prompt is read as well.
    """
    need, gathering = case.need, state.gathering
    first_s, token_s, runs_s, sure = _row_of(case, row)
    waiting, gap_s = 1 + len(gathering.losses), gathering.next_in_s(case.now_s)
    best_s, best_j = 0.0, WORTHWHILE * float(case.candidates.energy_j[row])
    left_s = min(_left_s(case, gathering), runs_s)
    for wait_s in COMPANY_WAITS_S:
        if wait_s > left_s:
            break
        alone = exp(-wait_s / gap_s)
        later = put_off(need, wait_s + (1.0 - alone) * gathering.reading_s * state.first_ratio)
        lost_j = waiting * price_j * (sure - in_time_probability(later, state.time_sd, first_s, token_s))
        saved_j = CAUTION * state.shared_w * ((1.0 - alone) * gap_s - wait_s * alone) - lost_j
        if saved_j > best_j:
            best_s, best_j = wait_s, saved_j
    return best_s


def _shared_reading_s(case: Judgement, row: int, state: ServerState, price_j: float) -> float:
    """Return how long to wait on the way to a server that writes, and stops writing for every step that reads.

    Of such a step only the prompt's own arithmetic is not shared with whoever comes along: `shared_s`, for which all
    who are being served there stand still. Waiting pays while what is lost per second is less than what the next one
    saves over the time in which it is expected: chances of those who wait, and joules, if the server should run out
    of work meanwhile and be put to work again for this request (as often as a queue without limits is empty).
    """
    need, gathering = case.need, state.gathering
    first_s, token_s, runs_s, _ = _row_of(case, row)
    shared_s, shared_j = state.shared_reading(need.prompt_tokens)
    saved = CAUTION * (shared_s * state.exposure + shared_j / price_j) / gathering.gap_s
    idle_w = state.shared_w * exp(-runs_s / gathering.gap_s)
    bearable = saved - idle_w / price_j - gathering.loss_per_s(but=case.record.request.request_id)
    left_s = min(
        _left_s(case, gathering),
        need.first_token_budget_s - first_s * exp(FIRST_TOKEN_Z * state.time_sd),
    )
    longest_s = 0.0
    for wait_s in COMPANY_WAITS_S:
        if wait_s > left_s or lateness_per_s(need, state.time_sd, first_s, token_s, wait_s) > bearable:
            break
        longest_s = wait_s
    return longest_s
