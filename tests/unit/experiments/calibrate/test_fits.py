"""Constants and step times are recovered from steps and first tokens that were made of known ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from perllm.costs.time import decode_step_s, prefill_s
from perllm.domain.profile import SpeedProfile
from perllm.experiments.calibrate.least_squares import Fit, fit
from perllm.experiments.calibrate.reading_fit import Known, fit_first_tokens
from perllm.experiments.calibrate.samples import FirstToken, Step
from perllm.experiments.calibrate.writing_fit import fit_steps, most_decode_s

BATCHES = (1, 2, 4, 8, 16, 32)
LENGTHS = (16, 128, 256, 512, 1024, 2048)
# Bound by memory until about ten answers, then by arithmetic.
TURNING = SpeedProfile(
    prefill_token_s=1e-3,
    decode_token_s=2e-3,
    weights_read_s=20e-3,
    context_token_s=0.5e-6,
    step_overhead_s=1e-3,
    sequence_overhead_s=0.1e-3,
    attention_pair_s=0.4e-6,
    request_overhead_s=5e-3,
)
# One core: every answer costs the same, whatever is beside it.
ONE_CORE = SpeedProfile(prefill_token_s=0.2e-3, decode_token_s=0.85e-3, request_overhead_s=2e-3)
# A large accelerator: never bound by arithmetic here.
MEMORY = SpeedProfile(
    prefill_token_s=50e-6, decode_token_s=50e-6, weights_read_s=9e-3, context_token_s=60e-9, sequence_overhead_s=40e-6
)
# llama.cpp on one core: a lone answer has kernels of its own, the second costs more than itself.
LONE_IS_FAST = SpeedProfile(
    prefill_token_s=1e-3,
    decode_token_s=0.0,
    context_token_s=6e-6,
    sequence_overhead_s=1.4e-3,
    batching_overhead_s=4e-3,
)
MACHINES = {"turning": TURNING, "one-core": ONE_CORE, "memory": MEMORY}


def steps_of(
    speed: SpeedProfile, noise: float = 0.0, seed: int = 0, contexts: tuple[int, ...] = (50, 2000)
) -> list[Step]:
    rng = np.random.default_rng(seed)
    return [
        Step(
            batch=batch,
            context_tokens=batch * context,
            seconds=decode_step_s(speed, batch, batch * context) * float(np.exp(noise * rng.standard_normal())),
            told_tokens=context,
        )
        for batch, context, _ in product(BATCHES, contexts, range(2))
    ]


def prompts_of(speed: SpeedProfile, noise: float = 0.0, seed: int = 0) -> list[FirstToken]:
    rng = np.random.default_rng(seed)
    return [
        FirstToken(
            prompt_tokens=tokens,
            cached_tokens=0,
            payload_bytes=4 * tokens,
            seconds=(prefill_s(speed, tokens) + speed.request_overhead_s)
            * float(np.exp(noise * rng.standard_normal())),
        )
        for tokens, _ in product(LENGTHS, range(3))
    ]


def told(found: Fit | None) -> Fit:
    assert found is not None
    return found


def step_s(constants: Fit, sample: Step) -> float:
    get = constants.constants.get
    memory_s = get("weights", 0.0) + get("context", 0.0) * sample.context_tokens
    overhead_s = get("step", 0.0) + get("sequence", 0.0) * sample.batch + get("batching", 0.0) * (sample.batch > 1)
    return max(get("decode", 0.0) * sample.batch, memory_s) + overhead_s


def worst(found: Fit, truth: Sequence[Step]) -> float:
    return max(abs(step_s(found, sample) / sample.seconds - 1.0) for sample in truth)


def test_every_constant_is_found_where_memory_rules_some_steps_and_arithmetic_others() -> None:
    found = told(fit_steps(steps_of(TURNING)))

    assert found.constants == pytest.approx(
        {"decode": 2e-3, "weights": 20e-3, "context": 0.5e-6, "step": 1e-3, "sequence": 0.1e-3}, rel=0.02
    )


def test_one_core_is_said_with_one_constant() -> None:
    assert told(fit_steps(steps_of(ONE_CORE))).constants == pytest.approx({"decode": 0.85e-3})


def test_what_more_than_one_answer_adds_is_found_and_told_from_a_larger_of_two_terms() -> None:
    found = told(fit_steps(steps_of(LONE_IS_FAST, contexts=(50, 300, 2000))))

    assert found.constants == pytest.approx({"context": 6e-6, "sequence": 1.4e-3, "batching": 4e-3}, rel=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_what_more_than_one_answer_adds_is_seen_through_noise_too(seed: int) -> None:
    contexts = (50, 300, 2000)
    found = told(fit_steps(steps_of(LONE_IS_FAST, noise=0.03, seed=seed, contexts=contexts)))

    assert worst(found, steps_of(LONE_IS_FAST, contexts=contexts)) < 0.04


def test_what_never_leaves_memory_is_said_without_arithmetic() -> None:
    found = told(fit_steps(steps_of(MEMORY)))

    assert found.constants == pytest.approx({"weights": 9e-3, "context": 60e-9, "sequence": 40e-6}, rel=0.02)
    assert most_decode_s(dict(found.constants), steps_of(MEMORY)) == pytest.approx((9e-3 + 60e-9 * 1600) / 32)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("seed", range(5))
def test_steps_come_out_within_four_percent_of_the_truth_where_measurements_scatter_by_three(
    machine: str, seed: int
) -> None:
    found = told(fit_steps(steps_of(MACHINES[machine], noise=0.03, seed=seed)))

    assert worst(found, steps_of(MACHINES[machine])) < 0.04


def test_noise_does_not_make_an_engine_look_faster_than_it_is_on_average() -> None:
    biases = []
    for seed in range(30):
        # Steps of a mean of 1, which a quarter up or down is usual for.
        noise = np.exp(0.25 * np.random.default_rng(seed).standard_normal(60) - 0.25**2 / 2)
        batch = np.repeat((1.0, 2.0, 4.0), 20)
        found = told(fit({"sequence": batch}, 2e-3 * batch * noise, least_sigma=0.15))
        biases.append(found.constants["sequence"] / 2e-3 - 1.0)

    assert abs(float(np.mean(biases))) < 0.03


def test_a_step_that_took_three_times_as_long_once_changes_little() -> None:
    samples = steps_of(TURNING, noise=0.01)
    spoiled = [*samples[1:], Step(batch=1, context_tokens=50, seconds=3 * samples[0].seconds, told_tokens=50)]

    assert worst(told(fit_steps(spoiled)), steps_of(TURNING)) < 0.04


def test_reading_is_told_apart_from_attending_and_from_what_surrounds_it() -> None:
    found = told(fit_first_tokens(prompts_of(TURNING), Known(weights_s=20e-3, step_s=1e-3)))

    assert found.constants == pytest.approx({"prefill": 1e-3, "attention": 0.4e-6, "around": 5e-3}, rel=0.01)


def test_prompts_that_only_wait_for_the_weights_do_not_bend_the_line() -> None:
    slow_memory = SpeedProfile(
        prefill_token_s=50e-6, decode_token_s=50e-6, weights_read_s=15e-3, request_overhead_s=4e-3
    )

    found = told(fit_first_tokens(prompts_of(slow_memory), Known(weights_s=15e-3)))

    assert found.constants == pytest.approx({"prefill": 50e-6, "around": 4e-3}, rel=0.01)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("machine", MACHINES)
def test_first_tokens_come_out_within_four_percent_where_measurements_scatter_by_three(machine: str, seed: int) -> None:
    speed = MACHINES[machine]
    known = Known(weights_s=speed.weights_read_s, step_s=speed.step_overhead_s)

    found = told(fit_first_tokens(prompts_of(speed, noise=0.03, seed=seed), known)).constants

    for sample in prompts_of(speed):
        tokens = sample.prompt_tokens
        arithmetic_s = tokens * found["prefill"] + tokens**2 / 2 * found.get("attention", 0.0)
        fitted_s = max(arithmetic_s, known.weights_s) + known.step_s + found.get("around", 0.0)
        assert fitted_s == pytest.approx(sample.seconds, rel=0.04)


def test_the_steps_of_a_chunked_prompt_are_counted() -> None:
    chunked = [
        FirstToken(
            prompt_tokens=tokens,
            cached_tokens=0,
            payload_bytes=0,
            seconds=tokens * 1e-3 + -(-tokens // 512) * 10e-3 + 3e-3,
        )
        for tokens in LENGTHS
    ]

    found = told(fit_first_tokens(chunked, Known(step_s=10e-3, chunk_tokens=512)))

    assert found.constants == pytest.approx({"prefill": 1e-3, "around": 3e-3})


def test_what_was_cached_is_not_counted_as_read() -> None:
    warm = [
        FirstToken(
            prompt_tokens=tokens + 40,
            cached_tokens=40,
            payload_bytes=0,
            seconds=tokens * 1e-3 + tokens * (40 + tokens / 2) * 1e-6,
        )
        for tokens in LENGTHS
    ]

    assert told(fit_first_tokens(warm, Known())).constants == pytest.approx({"prefill": 1e-3, "attention": 1e-6})


def test_uploads_are_taken_out() -> None:
    slow_way = [
        FirstToken(prompt_tokens=tokens, cached_tokens=0, payload_bytes=5 * tokens, seconds=tokens * 1.5e-3)
        for tokens in LENGTHS
    ]

    found = told(fit_first_tokens(slow_way, Known(up_bytes_per_s=1e4)))

    assert found.constants == pytest.approx({"prefill": 1e-3})
