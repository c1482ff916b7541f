"""The demo's traffic."""

from __future__ import annotations

import numpy as np
import pytest

from perllm.demo.traffic import LOADS, draw_calls


def test_the_same_seed_gives_the_same_calls() -> None:
    assert draw_calls(20.0, 3.0, 7) == draw_calls(20.0, 3.0, 7) != draw_calls(20.0, 3.0, 8)


def test_calls_arrive_at_the_rate_and_with_the_shares_asked_for() -> None:
    calls = draw_calls(1000.0, 5.0, 1)

    assert pytest.approx(5000, rel=0.05) == len(calls)
    for load in LOADS:
        mine = [call for call in calls if call.service == load.service.name]
        assert pytest.approx(load.share, abs=0.03) == len(mine) / len(calls)
        assert pytest.approx(load.stream_fraction, abs=0.05) == np.mean([call.stream for call in mine])


def test_prompts_have_the_published_median_length() -> None:
    chats = [call for call in draw_calls(1000.0, 5.0, 1) if call.service == "chat"]

    assert pytest.approx(20 * 4, rel=0.25) == np.median([len(call.prompt) for call in chats])


def test_no_prompt_begins_like_another() -> None:
    prompts = [call.prompt for call in draw_calls(100.0, 5.0, 1)]

    assert len(prompts) == len({prompt.split(":")[0] for prompt in prompts})


def test_even_the_shortest_demo_makes_a_call() -> None:
    assert len(draw_calls(1.0, 0.1, 2)) >= 1
