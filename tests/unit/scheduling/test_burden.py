"""What a stream of requests makes of a server."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.scheduling.burden import Portion, alone_probability, burden_w, in_time, lengths_of
from perllm.scheduling.predictor import estimate_all
from tests.unit.scheduling.plans import DOZER, demand, fleet, need, states


def drawn_w(rate_per_s: float, budget_s: float = 4.0) -> float | None:
    (state,) = fleet("edge")
    return burden_w(state, [Portion(demand(rate_per_s, (0,), budget_s), rate_per_s)])


def test_a_trickle_draws_what_its_requests_would_alone() -> None:
    # Reading 0.1 s and writing 50 tokens in 0.02 s each, both at 16 W above idle.
    assert 0.01 * 16.0 * (0.1 + 1.0) == pytest.approx(drawn_w(0.01), rel=0.1)


def test_together_requests_draw_less_than_one_by_one() -> None:
    few, many = drawn_w(0.5), drawn_w(1.5)
    assert few is not None
    assert many is not None
    assert few < many < 3 * few


def test_what_does_not_fit_into_the_slots_is_too_much() -> None:
    assert drawn_w(1.0) is not None
    assert drawn_w(4.0) is None


def test_prompts_that_keep_the_server_reading_are_too_much() -> None:
    (state,) = states(replace(DOZER, slots=100))
    parts = [Portion(demand(rate_per_s, (0,), 1e9), rate_per_s) for rate_per_s in (4.0, 4.0)]

    assert burden_w(state, parts[:1]) is not None
    assert burden_w(state, parts) is None


def test_who_would_be_late_in_the_batch_is_too_much() -> None:
    assert drawn_w(0.2, budget_s=1.8) is not None
    assert drawn_w(1.5, budget_s=1.8) is None


def test_waking_counts_against_the_requirement() -> None:
    (state,) = fleet("edge")

    assert alone_probability(state, demand(0.1, (0,), 4.0)) > 0.99
    assert alone_probability(state, demand(0.1, (0,), 4.0), wake_s=15.0) < 0.01
    assert alone_probability(state, demand(0.1, (0,), 25.0), wake_s=15.0) > 0.95


def test_reading_takes_as_long_as_the_predictor_says() -> None:
    (state,) = fleet("edge")
    outlook = state.look()

    wait_s, payload_byte_s, first_s = (
        outlook[0],
        state.pace[0],
        estimate_all([state], need(), [0], 0.0).first_token_s[0],
    )
    assert first_s == pytest.approx(wait_s + 600 * payload_byte_s + state.reading_s(need().prompt_tokens))


def test_an_answer_cut_by_its_limit_is_as_sure_as_that_limit_is_near() -> None:
    wild = replace(need(6.0), log_variance=1.0, limit=96.0)

    assert in_time(wild, lengths_of(wild), 0.1, 0.05, 0.1) > 0.97
    wilder = replace(wild, limit=200.0)
    assert in_time(wilder, lengths_of(wilder), 0.1, 0.05, 0.1) < 0.9


def test_a_first_token_that_is_late_is_late() -> None:
    hasty = replace(need(), first_token_budget_s=0.1)

    assert in_time(hasty, lengths_of(hasty), 0.3, 0.01, 0.1) < 0.01
