"""The estimates of `predictor` for a large fleet: the same formulas over arrays, for all servers at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan, sqrt
from typing import cast

import numpy as np

from perllm.scheduling.candidates import Candidates
from perllm.scheduling.columns import Columns, Floats, Rows
from perllm.scheduling.error_function import erf_of
from perllm.scheduling.need import Need
from perllm.scheduling.predictor import AS_GOOD_AS_SURE, SURE_FACTOR

_SQRT_2 = sqrt(2.0)
# A number of tokens whose logarithm exists, where there is time for none.
_HARDLY_ANY = 1e-300


def estimate_wide(columns: Columns, need: Need, unreached: Rows, now_s: float) -> Candidates:
    """Estimate `need` on all servers but those in the rows `unreached`, which become NaN."""
    (
        wait_s, step_s, marginal_j, read_at_s, exposure, hidden_s, slower_s, byte_s, prefill_token_s, floor_s,
        overhead_s, serial, reading_w, byte_j, sd,
    ) = columns.outlook  # fmt: skip
    tokens = need.mean_tokens
    own_s = need.prompt_tokens * prefill_token_s
    reading_s = np.maximum(own_s, floor_s) + serial * np.minimum(own_s, floor_s) + overhead_s
    first_s = wait_s + need.payload_bytes * byte_s + reading_s + np.maximum(read_at_s - now_s, 0.0)
    total_s, token_s = first_s + (tokens - 1.0) * step_s, step_s.copy()
    probability = in_time_probabilities(need, sd, first_s, step_s)
    energy_j = reading_s * reading_w + tokens * marginal_j + need.moved_bytes * byte_j
    harm = exposure * (np.maximum(reading_s - hidden_s, 0.0) + tokens * slower_s)
    if len(unreached):
        for column in (total_s, first_s, token_s, probability, energy_j):
            column[unreached] = nan
    return Candidates(
        total_s=cast("Sequence[float]", total_s),
        first_token_s=cast("Sequence[float]", first_s),
        token_s=cast("Sequence[float]", token_s),
        in_time_probability=cast("Sequence[float]", probability),
        energy_j=cast("Sequence[float]", energy_j),
        outstanding=cast("Sequence[int]", columns.outstanding),
        harm=cast("Sequence[float]", harm),
    )


def in_time_probabilities(need: Need, time_sd: Floats, first_token_s: Floats, token_s: Floats) -> Floats:
    """Return `in_time_probability` of every server."""
    budget_s = need.budget_s
    if budget_s == inf:
        return _started(need, time_sd, first_token_s)
    tokens_in_budget = (budget_s - first_token_s) / token_s + 1.0
    spread = np.sqrt(need.log_variance + time_sd * time_sd)
    z = (np.log(np.maximum(tokens_in_budget, _HARDLY_ANY)) - need.log_mean) / spread
    short_enough = 0.5 * (1.0 + erf_of(z / _SQRT_2))
    unsure = (short_enough < AS_GOOD_AS_SURE).nonzero()[0] if need.limit < inf else ()
    if len(unsure):
        longest_s = first_token_s[unsure] + (need.limit - 1.0) * token_s[unsure]
        as_long_as_allowed = _at_most(budget_s, longest_s, time_sd[unsure])
        short_enough[unsure] += (1.0 - short_enough[unsure]) * as_long_as_allowed
    near = (budget_s < SURE_FACTOR * first_token_s).nonzero()[0]
    if len(near):
        begun = _at_most(budget_s, first_token_s[near], time_sd[near])
        short_enough[near] = np.where(tokens_in_budget[near] > 0.0, np.minimum(short_enough[near], begun), 0.0)
    if need.first_token_budget_s == inf:
        return short_enough
    return np.minimum(short_enough, _started(need, time_sd, first_token_s))


def _started(need: Need, time_sd: Floats, first_token_s: Floats) -> Floats:
    if need.first_token_budget_s == inf:
        return np.ones(len(time_sd))
    return _at_most(need.first_token_budget_s, first_token_s, time_sd)


def _at_most(budget_s: float, expected_s: Floats, sd: Floats) -> Floats:
    if budget_s <= 0.0:
        return np.zeros(len(sd))
    return 0.5 * (1.0 + erf_of(np.log(budget_s / expected_s) / sd / _SQRT_2))
