"""LinUCB: its first rounds by hand, and what it learns of queues."""

from __future__ import annotations

from math import log1p, sqrt

import pytest

from perllm.scheduling.policies.lin_ucb import LEAST_KEPT, PROMPT_SCALE, LinUcb
from perllm.scheduling.policy import Evident
from tests.unit.scheduling.builders import request
from tests.unit.scheduling.policies.candidates import candidates
from tests.unit.scheduling.policies.lessons import rewarded

# The builders' request has 400 bytes of prompt, their servers two slots.
PROMPT = log1p(400.0) / PROMPT_SCALE


def play(policy: LinUcb, server_id: str, reward: float, outstanding: list[int], number: int, **changes: object) -> None:
    asked = request(f"r{number}")
    policy.score(asked, candidates([1.0, 1.0], outstanding=outstanding), 0.0)
    policy.chose(asked, server_id, 0.0)
    policy.learn(rewarded(server_id, reward, request_id=asked.request_id, **changes))


def test_an_untried_server_is_worth_its_bound() -> None:
    """A = I, so alpha * |x| with x = (1, q, q * q, prompt) and q = 3 / 2."""
    (score,) = LinUcb(alpha=0.5).score(request(), candidates([1.0], outstanding=[3]), 0.0)

    assert pytest.approx(0.5 * sqrt(1.0 + 1.5**2 + 1.5**4 + PROMPT**2)) == score


def test_one_reward_by_hand() -> None:
    """A = I + x x', so theta' x = 0.8 n / (1 + n) and x' A^-1 x = n / (1 + n), n = |x|^2."""
    policy = LinUcb(alpha=0.5, gamma=1.0)
    play(policy, "s0", 0.8, [0, 0], 1)
    size = 1.0 + PROMPT**2

    score = policy.score(request("r2"), candidates([1.0, 1.0]), 0.0)[0]

    assert pytest.approx(0.8 * size / (1 + size) + 0.5 * sqrt(size / (1 + size))) == score


def test_it_learns_that_a_queue_costs() -> None:
    """A server that is good when idle and bad when busy, beside one that is always middling."""
    policy = LinUcb(alpha=0.0)
    for number in range(200):
        busy = number % 3
        play(policy, "s0", 0.9 - 0.5 * busy, [2 * busy, 0], 2 * number)
        play(policy, "s1", 0.5, [0, 0], 2 * number + 1)

    idle, middling = policy.score(request("idle"), candidates([1.0, 1.0], outstanding=[0, 0]), 0.0)
    busy_score, _ = policy.score(request("busy"), candidates([1.0, 1.0], outstanding=[4, 0]), 0.0)

    assert busy_score < middling < idle


def test_what_was_cancelled_moves_no_expectation() -> None:
    policy = LinUcb(alpha=0.0, gamma=1.0)
    play(policy, "s0", 0.8, [0, 0], 1)
    before = policy.score(request("r2"), candidates([1.0, 1.0]), 0.0)
    play(policy, "s0", -9.0, [0, 0], 3, evident=Evident.NOT)

    after = policy.score(request("r4"), candidates([1.0, 1.0]), 0.0)
    assert [pytest.approx(score) for score in before] == list(after)


def test_a_neglected_servers_bound_grows_to_a_limit() -> None:
    policy = LinUcb(alpha=1.0, gamma=0.9)
    first = policy.score(request("r0"), candidates([1.0, 1.0]), 0.0)[1]
    for number in range(1, 200):
        play(policy, "s0", 0.5, [0, 0], number)

    assert pytest.approx(first / sqrt(LEAST_KEPT)) == policy.score(request("r"), candidates([1.0, 1.0]), 0.0)[1]
