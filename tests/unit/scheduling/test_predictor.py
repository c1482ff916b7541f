"""Estimates against numbers worked by hand."""

from __future__ import annotations

from math import exp, log

import pytest
from msgspec.structs import replace

from perllm.costs.time import decode_step_s
from perllm.domain.action import Reservation
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.server import Link
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.predictor import confident_total_s, estimate_all, in_time_probability
from perllm.scheduling.settings import SchedulerSettings
from tests.unit.scheduling.builders import EDGE, NEED

SERVER = replace(
    EDGE,
    link=Link(rtt_s=0.1, up_bytes_per_s=10_000.0, down_bytes_per_s=10_000.0, j_per_byte=0.001),
    speed=SpeedProfile(prefill_token_s=0.002, decode_token_s=0.01, step_overhead_s=0.005, request_overhead_s=0.02),
    power=PowerProfile(idle_w=10.0, prefill_w=60.0, decode_w=30.0, decode_full_w=50.0),
)


def state(batch: int = 0) -> ServerState:
    """Return SERVER with `batch` attempts open."""
    fresh = ServerState(SERVER, SchedulerSettings())
    for _ in range(batch):
        fresh.reserve(Reservation(kv_tokens=0, bytes_per_s=0.0), 0.0, 0.0)
    return fresh


def test_an_idle_server_takes_what_its_profile_says() -> None:
    """Upload 0.05 + 0.1, overhead 0.02, prefill 0.2 + 0.005, first step 0.015, back 0.05; then 50 steps of 0.015."""
    columns = estimate_all([state()], NEED, [0], 0.0)

    assert pytest.approx(0.44) == columns.first_token_s[0]
    assert pytest.approx(0.44 + 50 * 0.015) == columns.total_s[0]
    assert 1.0 == columns.in_time_probability[0]


def test_an_idle_server_charges_prefill_tokens_and_bytes() -> None:
    """Prefill 0.205 s above idle at 50 W, 51 tokens of 20 W x 0.015 s, 5000 bytes of 1 mJ."""
    columns = estimate_all([state()], NEED, [0], 0.0)

    assert pytest.approx(0.205 * 50.0 + 51 * 0.3 + 5.0) == columns.energy_j[0]


def test_joining_a_batch_costs_what_it_adds() -> None:
    """Two sequences: a step of 0.025 s at 40 W above idle, less the one that ran anyway (0.015 s at 20 W)."""
    columns = estimate_all([state(batch=1)], NEED, [0], 0.0)

    assert pytest.approx(0.205 * 50.0 + 51 * (1.0 - 0.3) + 5.0) == columns.energy_j[0]
    assert pytest.approx(0.025) == columns.token_s[0]


def test_context_in_the_cache_makes_steps_longer_and_dearer() -> None:
    """One sequence has 1,500 tokens; with a newcomer that has as many, a step reads 3,000 at 10 us each."""
    speed = replace(SERVER.speed, context_token_s=1e-5)
    long = ServerState(replace(SERVER, speed=speed), SchedulerSettings())
    long.reserve(Reservation(kv_tokens=0, bytes_per_s=0.0), 0.0, 1500.0)
    short = state(batch=1)

    slow, fast = estimate_all([long], NEED, [0], 0.0), estimate_all([short], NEED, [0], 0.0)

    assert pytest.approx(decode_step_s(speed, 2, 3000.0)) == slow.token_s[0]
    assert pytest.approx(slow.token_s[0] - fast.token_s[0]) == decode_step_s(speed, 2, 3000.0) - 0.025
    assert slow.energy_j[0] > fast.energy_j[0]


def test_prompts_still_to_be_read_delay_the_first_token() -> None:
    waiting = state()
    waiting.reserve(Reservation(kv_tokens=0, bytes_per_s=0.0), 0.7, 0.0)
    read = state(batch=1)

    difference = (
        estimate_all([waiting], NEED, [0], 0.0).first_token_s[0] - estimate_all([read], NEED, [0], 0.0).first_token_s[0]
    )

    assert pytest.approx(0.7) == difference
    waiting.has_read(0.7)
    assert estimate_all([read], NEED, [0], 0.0).total_s == estimate_all([waiting], NEED, [0], 0.0).total_s


def test_full_slots_mean_a_wait_of_a_typical_attempt_per_slot() -> None:
    """Three open on two slots: two must end before ours starts; each slot ends one every 2 s (the prior)."""
    full, one_less = state(batch=3), state(batch=1)

    difference = estimate_all([full], NEED, [0], 0.0).total_s[0] - estimate_all([one_less], NEED, [0], 0.0).total_s[0]

    assert pytest.approx(2 * 2.0 / 2) == difference


def test_corrections_stretch_the_time_they_were_learned_for() -> None:
    corrected = state()
    for _ in range(1000):
        corrected.decode_log.learn(log(2.0), 1.0)
    corrected.learned()

    assert pytest.approx(0.03, rel=0.02) == estimate_all([corrected], NEED, [0], 0.0).token_s[0]
    assert pytest.approx(0.44) == estimate_all([corrected], NEED, [0], 0.0).first_token_s[0]


def test_the_median_length_is_in_time_half_of_the_times() -> None:
    budget = replace(NEED, budget_s=0.44 + 44 * 0.015)

    assert pytest.approx(0.5) == in_time_probability(budget, 0.2, 0.44, 0.015)


def test_a_limit_that_fits_makes_a_request_nearly_sure() -> None:
    short = replace(NEED, budget_s=10.0, limit=10.0, log_mean=log(1e6))

    assert in_time_probability(short, 0.1, 0.44, 0.015) > 0.999


def test_no_time_left_is_no_chance() -> None:
    assert 0.0 == in_time_probability(replace(NEED, budget_s=0.2), 0.2, 0.44, 0.015)


def test_a_time_that_may_be_off_is_no_certainty_however_short_the_answer() -> None:
    """4.5 of 5 s expected before the first token, off by a fifth: ln(5 / 4.5 + …) / 0.2 is about 0.4 deviations."""
    short = replace(NEED, budget_s=5.0, log_mean=log(5.0))

    assert 0.6 < in_time_probability(short, 0.2, 4.5, 0.01) < 0.75


def test_the_first_token_bounds_the_probability() -> None:
    need = replace(NEED, first_token_budget_s=0.44)

    assert pytest.approx(0.5) == in_time_probability(need, 0.2, 0.44, 0.015)


@pytest.mark.parametrize("z", [-1.0, 0.0, 1.645])
def test_the_confident_time_inverts_the_probability(z: float) -> None:
    total_s = confident_total_s(NEED, z, 0.2, 0.44, 0.015)
    probability = in_time_probability(replace(NEED, budget_s=total_s), 0.2, 0.44, 0.015)

    expected = in_time_probability(replace(NEED, budget_s=0.44 + (exp(NEED.log_mean) - 1) * 0.015), 0.2, 0.44, 0.015)
    assert pytest.approx(0.5) == expected
    assert {-1.0: 0.158655, 0.0: 0.5, 1.645: 0.950015}[z] == pytest.approx(probability, abs=1e-5)


def test_a_prompt_of_which_no_first_token_tells_delays_only_until_it_should_be_read() -> None:
    reading = state(batch=1)
    reading.will_read(0.7, 10.0)
    read = state(batch=1)

    def first_token_s(server: ServerState, now_s: float) -> float:
        return estimate_all([server], NEED, [0], now_s).first_token_s[0]

    assert pytest.approx(0.7) == first_token_s(reading, 10.0) - first_token_s(read, 10.0)
    assert pytest.approx(0.2) == first_token_s(reading, 10.5) - first_token_s(read, 10.5)
    assert first_token_s(reading, 11.0) == first_token_s(read, 11.0)


def test_a_limit_just_in_reach_adds_to_the_answers_that_are_shorter() -> None:
    """Half of the answers are short enough, and for half of the rest there is time up to the client's limit."""
    half = replace(NEED, budget_s=0.44 + 44 * 0.015, limit=45.0)

    assert pytest.approx(0.75, abs=0.01) == in_time_probability(half, 0.2, 0.44, 0.015)


def test_the_error_of_whole_answers_says_how_sure_a_time_is() -> None:
    """Phases that vary against each other leave the total as it was."""
    steady = state()
    for number in range(200):
        steady.first_log.learn(0.5 if number % 2 else -0.5, 1.0)
        steady.total_log.learn(0.05 if number % 2 else -0.05, 1.0)
    steady.learned()

    assert steady.time_sd < 0.07
