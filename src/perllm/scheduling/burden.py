"""What a steady stream of requests makes of a server: how full it gets, what it draws, and who is still in time.

A fluid picture with its bursts: the time requests stay gives how many are there (Little's law), how many are there
gives how long steps take, and that again how long they stay. Prompts that are read hold up those that write.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, erf, exp, inf, log, sqrt
from statistics import NormalDist

from msgspec import Struct

from perllm.costs.energy import decode_w
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.need import Need

# Answers' lengths in ten equal parts, each by its middle.
LENGTHS_Z = tuple(NormalDist().inv_cdf((part + 0.5) / 10) for part in range(10))
# Above this share of its time reading, a server's queue of prompts grows faster than any average says.
MOST_READING = 0.7
# Rounds of "how many are there, how long does it take": each brings the batch about a decimal closer.
ROUNDS = 12
CLOSE = 0.02

_SQRT_2 = sqrt(2.0)


class Demand(Struct, frozen=True, kw_only=True, gc=False):
    """Requests of one kind: so many per second, of this size, may go to the servers in `rows`.

    `target` is the probability of being in time that is asked for, `lengths` are `lengths_of` the need.
    """

    need: Need
    rate_per_s: float
    rows: tuple[int, ...]
    target: float
    lengths: tuple[float, ...]


def lengths_of(need: Need) -> tuple[float, ...]:
    """Return how many tokens answers have that are equally likely, from the shortest to the longest."""
    sd = sqrt(need.log_variance)
    return tuple(max(min(exp(need.log_mean + z * sd), need.limit), 1.0) for z in LENGTHS_Z)


class Portion(Struct, frozen=True, gc=False):
    """A part of a demand, or all of it."""

    demand: Demand
    rate_per_s: float


def alone_probability(state: ServerState, demand: Demand, wake_s: float = 0.0) -> float:
    """Return the probability of being in time on the server if it were empty and took `wake_s` to begin."""
    token_s = _token_s(state, 1.0, 0.0)
    before_s = wake_s + state.way_s * state.first_ratio + state.reading_s(demand.need.prompt_tokens)
    return in_time(demand.need, demand.lengths, before_s, token_s, state.time_sd)


def in_time(need: Need, lengths: Sequence[float], before_s: float, token_s: float, sd: float) -> float:
    """Return the probability of being in time, over answers short and long; `sd` is that of the time's logarithm.

    `predictor.in_time_probability` is faster and on the safe side; a plan on the safe side would keep everybody awake.
    """
    started, scale = 1.0, 1.0 / (sd * _SQRT_2)
    if need.first_token_budget_s < inf:
        if need.first_token_budget_s <= 0.0:
            return 0.0
        started = 0.5 + 0.5 * erf(log(need.first_token_budget_s / (before_s + token_s)) * scale)
    if need.budget_s == inf:
        return started
    if need.budget_s <= 0.0:
        return 0.0
    total, budget_s = 0.0, need.budget_s
    for tokens in lengths:
        total += erf(log(budget_s / (before_s + tokens * token_s)) * scale)
    return min(started, 0.5 + 0.5 * total / len(lengths))


def burden_w(state: ServerState, portions: Sequence[Portion]) -> float | None:
    """Return the watts above idle that the portions draw together; None where they would not all be in time."""
    reading = [state.reading_s(portion.demand.need.prompt_tokens) for portion in portions]
    stalled = sum(portion.rate_per_s * each_s for portion, each_s in zip(portions, reading, strict=True))
    if stalled > MOST_READING:
        return None
    stretch = 1.0 / (1.0 - stalled)
    # A prompt waits for what is left of the one that is being read (Pollaczek and Khinchine).
    wait_s = stretch / 2 * sum(each.rate_per_s * each_s**2 for each, each_s in zip(portions, reading, strict=True))
    before_s = [state.way_s * state.first_ratio + wait_s + each_s for each_s in reading]
    batch = _batch(state, portions, before_s, stretch)
    crowd = batch + sqrt(batch)
    if crowd > state.slots:
        return None
    context_tokens = _context(portions)
    token_s, crowded_s = (_token_s(state, size, context_tokens) * stretch for size in (batch, crowd))
    # Poisson arrivals make a batch as much larger than its mean as its root says, and its steps that much longer.
    # What was learned of the spread of times has come from such batches too.
    sd = max(state.time_sd, log(crowded_s / token_s))
    for portion, each_s in zip(portions, before_s, strict=True):
        demand = portion.demand
        if in_time(demand.need, demand.lengths, each_s, token_s, sd) < demand.target:
            return None
    writing = min(batch, 1.0) * decode_w(state.server.power, max(ceil(batch), 1), state.slots)
    return (min(stalled, 1.0) * state.prefill_w + writing) * state.energy_ratio


def _batch(state: ServerState, portions: Sequence[Portion], before_s: Sequence[float], stretch: float) -> float:
    """Return how many requests are there on average."""
    context_tokens, batch = _context(portions), 0.0
    for _ in range(ROUNDS):
        token_s = _token_s(state, batch, context_tokens) * stretch
        stays = sum(
            portion.rate_per_s * (each_s + portion.demand.need.mean_tokens * token_s)
            for portion, each_s in zip(portions, before_s, strict=True)
        )
        if stays > state.slots or abs(stays - batch) < CLOSE:
            return stays
        batch = stays
    return batch


def _context(portions: Sequence[Portion]) -> float:
    """Return the tokens that one of them has in the cache, half-way through, on average."""
    total = sum(portion.rate_per_s for portion in portions)
    if total <= 0.0:
        return 0.0
    return (
        sum(
            portion.rate_per_s * (portion.demand.need.prompt_tokens + portion.demand.need.mean_tokens / 2)
            for portion in portions
        )
        / total
    )


def _token_s(state: ServerState, batch: float, context_tokens: float) -> float:
    """Return the time of one decode step over a batch, rounded up."""
    others = min(max(ceil(batch), 1), state.slots) - 1
    return state.step_table.joined(others, context_tokens * others).token_s * state.decode_ratio
