"""Lengths of prompts and answers."""

from __future__ import annotations

from math import inf, log

import numpy as np
import pytest

from perllm.scheduling.lengths import TEMPLATE_BYTES, Lengths
from perllm.scheduling.settings import SchedulerSettings
from tests.unit.scheduling.builders import CHAT


def lengths() -> Lengths:
    """Return what is known of the chat service at first: 50 tokens, spread 0.5."""
    return Lengths(CHAT, SchedulerSettings())


def test_the_declared_length_is_the_first_expectation() -> None:
    assert pytest.approx(50.0) == lengths().mean_tokens(inf)


def test_a_limit_lowers_the_expectation_as_sampling_shows() -> None:
    samples = np.exp(np.random.default_rng(0).normal(log(50) - 0.125, 0.5, 400_000))

    assert pytest.approx(np.minimum(samples, 60.0).mean(), rel=0.005) == lengths().mean_tokens(60.0)


def test_answers_teach_the_length() -> None:
    learner = lengths()
    for _ in range(60):
        learner.learn_output(200, None, 1.0)

    assert pytest.approx(200, rel=0.1) == learner.mean_tokens(inf)


def test_an_answer_cut_at_its_limit_says_only_at_least() -> None:
    cut, whole = lengths(), lengths()
    for _ in range(50):
        cut.learn_output(60, 60, 1.0)
        whole.learn_output(60, None, 1.0)

    assert cut.output_log.mean > whole.output_log.mean


def test_prompts_teach_tokens_per_byte() -> None:
    learner = lengths()
    assert pytest.approx((400 + TEMPLATE_BYTES) / 4) == learner.prompt_tokens(400)
    for _ in range(50):
        learner.learn_prompt(300, 400, 1.0)

    assert pytest.approx(300, rel=0.02) == learner.prompt_tokens(400)


def test_short_prompts_do_not_teach_that_long_ones_are_too_long() -> None:
    learner = lengths()
    for _ in range(30):
        learner.learn_prompt(31, 4, 1.0)

    assert learner.prompt_tokens(2_000) < 1_000


def test_cut_answers_feign_no_certainty() -> None:
    learner = lengths()
    for _ in range(100):
        learner.learn_output(16, 16, 1.0)

    assert learner.output_log.sd > 0.1
