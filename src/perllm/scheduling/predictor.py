"""How long a request would take on each server as it is now, how likely that is in time, and what it would cost.

Upload, queue, prefill, decode and download from the formulas of `costs`, times what each server has taught us about its
profile. The answer's length is a distribution (of the service), and so is the time. Every policy uses this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, exp, inf, log, nan, pi, sqrt

from perllm.costs.energy import transmit_j
from perllm.costs.time import prefill_s
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.need import Need
from perllm.scheduling.records import Basis

_SQRT_2 = sqrt(2.0)
_SQRT_2PI = sqrt(2.0 * pi)
# Above this probability the second way of being in time (the client's own limit) is not worth its logarithm.
AS_GOOD_AS_SURE = 0.999
# With twice the time to the first token left, its error no longer matters (its spread is about a quarter).
SURE_FACTOR = 2.0


def estimate_all(states: Sequence[ServerState], need: Need, rows: Sequence[int], now_s: float) -> Candidates:
    """Estimate `need` on the servers in `rows`; the others stay NaN."""
    unknown = [nan] * len(states)
    total_s, first_token_s, token_s, probability, energy_j = unknown[:], unknown[:], unknown[:], unknown[:], unknown
    harm = [0.0] * len(states)
    prompt_tokens, payload_bytes, moved_bytes = need.prompt_tokens, need.payload_bytes, need.moved_bytes
    tokens, budget_s = need.mean_tokens, need.budget_s
    log_mean, log_variance, cut = need.log_mean, need.log_variance, need.limit < inf
    usual = budget_s < inf and need.first_token_budget_s == inf
    for row in rows:
        (
            wait_s, step_s, marginal_j, read_at_s, exposure, hidden_s, slower_s, byte_s, prefill_token_s, floor_s,
            overhead_s, serial, reading_w, byte_j, sd,
        ) = states[row].outlook or states[row].look()  # fmt: skip
        reading_s = prompt_tokens * prefill_token_s
        # `busy_s` and the usual case of `in_time_probability`, written out: this runs for every server of a decision.
        reading_s = (reading_s + serial * floor_s if reading_s > floor_s else floor_s + serial * reading_s) + overhead_s
        first_s = wait_s + payload_bytes * byte_s + reading_s
        if read_at_s > now_s:
            first_s += read_at_s - now_s
        total_s[row] = first_s + (tokens - 1.0) * step_s
        first_token_s[row] = first_s
        token_s[row] = step_s
        tokens_in_budget = (budget_s - first_s) / step_s + 1.0
        if usual and tokens_in_budget > 0.0:
            in_time = 0.5 * (1.0 + erf((log(tokens_in_budget) - log_mean) / sqrt(log_variance + sd * sd) / _SQRT_2))
            if in_time < AS_GOOD_AS_SURE and cut:
                in_time += (1.0 - in_time) * _at_most(budget_s, first_s + (need.limit - 1.0) * step_s, sd)
            if budget_s < SURE_FACTOR * first_s:
                in_time = min(in_time, _at_most(budget_s, first_s, sd))
            probability[row] = in_time
        else:
            probability[row] = in_time_probability(need, sd, first_s, step_s)
        energy_j[row] = reading_s * reading_w + tokens * marginal_j + moved_bytes * byte_j
        if exposure > 0.0:
            delay_s = reading_s - hidden_s
            harm[row] = exposure * ((delay_s if delay_s > 0.0 else 0.0) + tokens * slower_s)
    outstanding = [state.batch for state in states]
    return Candidates(total_s, first_token_s, token_s, probability, energy_j, outstanding, harm=harm)


def in_time_probability(need: Need, time_sd: float, first_token_s: float, token_s: float) -> float:
    """Probability of meeting the requirement: that the answer is short enough for the time that is left.

    The length is log-normal, cut at the client's limit; the error of the time itself is log-normal too.
    """
    budget_s, started = need.budget_s, 1.0
    if need.first_token_budget_s < inf:
        started = _at_most(need.first_token_budget_s, first_token_s, time_sd)
    if budget_s == inf:
        return started
    tokens_in_budget = (budget_s - first_token_s) / token_s + 1.0
    if tokens_in_budget <= 0.0:
        return 0.0
    z = (log(tokens_in_budget) - need.log_mean) / sqrt(need.log_variance + time_sd * time_sd)
    short_enough = 0.5 * (1.0 + erf(z / _SQRT_2))
    if short_enough < AS_GOOD_AS_SURE and need.limit < inf:
        as_long_as_allowed = _at_most(budget_s, first_token_s + (need.limit - 1.0) * token_s, time_sd)
        # In time either way: there is time for all that the client wants, or the answer ends before that.
        short_enough += (1.0 - short_enough) * as_long_as_allowed
    if budget_s < SURE_FACTOR * first_token_s:
        # However short the answer, the time before it may be off too.
        short_enough = min(short_enough, _at_most(budget_s, first_token_s, time_sd))
    return short_enough if short_enough < started else started


def lateness_per_s(need: Need, time_sd: float, first_token_s: float, token_s: float, wait_s: float = 0.0) -> float:
    """How fast the chance of being in time falls with every second of delay, once `wait_s` of it are over.

    The derivative of `in_time_probability` after the budget, for the whole answer.
    """
    budget_s = need.budget_s - wait_s
    tokens_in_budget = (budget_s - first_token_s) / token_s + 1.0
    if tokens_in_budget <= 0.0 or budget_s == inf:
        return 0.0
    spread = sqrt(need.log_variance + time_sd * time_sd)
    z = (log(tokens_in_budget) - need.log_mean) / spread
    density = exp(-0.5 * z * z) / (_SQRT_2PI * spread * tokens_in_budget * token_s)
    if need.limit == inf:
        return density
    longest_z = log(budget_s / (first_token_s + (need.limit - 1.0) * token_s)) / time_sd
    longest_density = exp(-0.5 * longest_z * longest_z) / (_SQRT_2PI * time_sd * budget_s)
    return 0.5 * (density * (1.0 - erf(longest_z / _SQRT_2)) + longest_density * (1.0 - erf(z / _SQRT_2)))


def confident_total_s(need: Need, z: float, time_sd: float, first_token_s: float, token_s: float) -> float:
    """Time not exceeded with the confidence of the normal quantile `z`: the inverse of `in_time_probability`."""
    spread = sqrt(need.log_variance + time_sd * time_sd)
    by_length = first_token_s + (exp(need.log_mean + z * spread) - 1.0) * token_s
    if need.limit < inf:
        by_length = min(by_length, (first_token_s + (need.limit - 1.0) * token_s) * exp(z * time_sd))
    return max(by_length, first_token_s * exp(z * time_sd))


def _at_most(budget_s: float, expected_s: float, sd: float) -> float:
    if budget_s <= 0.0:
        return 0.0
    return 0.5 * (1.0 + erf(log(budget_s / expected_s) / sd / _SQRT_2))


def basis_of(need: Need, state: ServerState, now_s: float, cached_tokens: float = 0.0) -> Basis:
    """Predict from the profile alone what joining the present batch takes and will be charged."""
    server, step = state.server, state.step
    reading_s = prefill_s(server.speed, need.prompt_tokens - cached_tokens, cached_tokens)
    sending_s = need.payload_bytes / server.link.up_bytes_per_s
    unread_s = state.unread_s + max(state.read_at_s - now_s, 0.0) / state.first_ratio
    first_token_s = state.ready_in_s + state.way_s + sending_s + unread_s + reading_s + step.token_s
    live_tokens = need.prompt_tokens + need.mean_tokens / 2
    prefill_j = reading_s * state.prefill_w
    return Basis(
        first_token_s, step.token_s, reading_s, prefill_j, step.share_j, live_tokens, need.prompt_tokens, cached_tokens
    )


def charged_energy_j(need: Need, state: ServerState, basis: Basis) -> float:
    """Joules a request will be charged: transmission, its prompt, and its equal share of the batch's draw."""
    infer_j = (basis.prefill_j + need.mean_tokens * basis.share_token_j) * state.energy_ratio
    return infer_j + transmit_j(state.server.link, need.moved_bytes)


def kv_tokens_of(need: Need, state: ServerState) -> int:
    """Return the tokens of cache to set aside: prompt and a long answer, at most what the engine allows one request."""
    tokens = need.prompt_tokens + need.upper_tokens
    return int(tokens) if tokens < state.request_kv_tokens else state.request_kv_tokens
