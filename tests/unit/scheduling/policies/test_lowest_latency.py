"""LiteLLM's latency routing against rounds worked by hand, with and without its quirks."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from msgspec.structs import replace

from perllm.errors import ConfigError
from perllm.scheduling.policies import make_policy
from perllm.scheduling.policies.lowest_latency import LowestLatency
from perllm.scheduling.policy import Evident, Lesson
from tests.unit.scheduling.builders import request
from tests.unit.scheduling.policies.candidates import candidates

# Two seconds for ten tokens, the first of them after half a second where it is streamed.
ANSWER = Lesson(
    service="chat", model="chat", server_id="s0", evident=Evident.FULLY, in_time=True, total_s=2.0, latency_s=2.0,
    requirement_s=4.0, transmit_j=0.0, infer_j=None, energy_ratio=None, free_slots_fraction=0.5,
    free_bandwidth_fraction=1.0, at_s=1.0, output_tokens=10,
)  # fmt: skip
STREAMED = replace(ANSWER, first_token_s=0.5)
TIMED_OUT = replace(ANSWER, evident=Evident.AT_LEAST)


def taught(policy: LowestLatency, *lessons: Lesson) -> LowestLatency:
    for lesson in lessons:
        policy.chose(request(model=lesson.model), lesson.server_id, 0.0)
        policy.learn(lesson)
    return policy


def means(policy: LowestLatency, *, servers: int = 1, now_s: float = 10.0, **changes: Any) -> list[float]:
    return [-score for score in policy.score(request(**changes), candidates([1.0] * servers), now_s)]


@pytest.mark.parametrize("quirks", [True, False])
def test_plain_answers_count_their_mean_seconds_per_token(quirks: bool) -> None:
    policy = taught(LowestLatency(quirks=quirks), ANSWER, replace(ANSWER, total_s=4.0))

    assert [pytest.approx(0.3)] == means(policy)


@pytest.mark.parametrize(("quirks", "mean"), [(True, 0.05), (False, 0.5)])
def test_streams_count_their_first_token_which_the_quirk_divides_by_the_answers_length(
    quirks: bool, mean: float
) -> None:
    policy = taught(LowestLatency(quirks=quirks), STREAMED)

    assert [pytest.approx(mean)] == means(policy, stream=True)
    assert [pytest.approx(0.2)] == means(policy, stream=False)


@pytest.mark.parametrize(
    ("quirks", "mean"),
    # Nine at 0.2 s stay and the last of twelve replaces the tenth; or the last ten: eight at 0.2, then 1 and 2.
    [(True, (9 * 0.2 + 2.0) / 10), (False, (8 * 0.2 + 1.0 + 2.0) / 10)],
)
def test_a_full_window_keeps_its_oldest_as_a_quirk_and_its_newest_without(quirks: bool, mean: float) -> None:
    slow = [replace(ANSWER, total_s=total_s) for total_s in (10.0, 20.0)]
    policy = taught(LowestLatency(quirks=quirks), *[ANSWER] * 10, *slow)

    assert [pytest.approx(mean)] == means(policy)


def test_a_timeout_makes_a_server_look_dear_to_plain_requests_and_cheaper_to_streams() -> None:
    policy = taught(LowestLatency(), STREAMED, TIMED_OUT)

    assert [pytest.approx((0.2 + 1000.0) / 2)] == means(policy)
    # Its sum is divided by the two notes of the other window.
    assert [pytest.approx(0.05 / 2)] == means(policy, stream=True)


def test_without_quirks_a_timeout_counts_for_streams_too() -> None:
    assert [pytest.approx((0.5 + 1000.0) / 2)] == means(
        taught(LowestLatency(quirks=False), STREAMED, TIMED_OUT), stream=True
    )


def test_the_untried_come_first_and_as_a_quirk_go_on_doing_so_until_an_answer_is_in() -> None:
    quirky, sane = (taught(LowestLatency(quirks=quirks), ANSWER) for quirks in (True, False))
    assert [pytest.approx(0.2), 0.0] == means(quirky, servers=2) == means(sane, servers=2)

    for policy in (quirky, sane):
        policy.chose(request(), "s1", 10.0)

    assert [pytest.approx(0.2), 0.0] == means(quirky, servers=2)
    assert [pytest.approx(0.2), inf] == means(sane, servers=2)


def test_what_failed_says_nothing_and_leaves_its_server_untried() -> None:
    assert [0.0] == means(taught(LowestLatency(quirks=False), replace(ANSWER, evident=Evident.NOT)))


def test_as_a_quirk_all_is_forgotten_at_once_an_hour_after_the_first_note() -> None:
    policy = taught(LowestLatency(), ANSWER, replace(ANSWER, server_id="s1", total_s=4.0, at_s=3000.0))

    assert [pytest.approx(0.2), pytest.approx(0.4)] == means(policy, servers=2, now_s=3600.0)
    assert [0.0, 0.0] == means(policy, servers=2, now_s=3601.0)


def test_without_quirks_each_note_has_its_own_hour() -> None:
    policy = taught(LowestLatency(quirks=False), ANSWER, replace(ANSWER, server_id="s1", total_s=4.0, at_s=3000.0))

    assert [0.0, pytest.approx(0.4)] == means(policy, servers=2, now_s=3601.0)


def test_who_is_within_the_buffer_of_the_best_is_as_good_as_the_best() -> None:
    near, far = (replace(ANSWER, server_id=name, total_s=total_s) for name, total_s in (("s1", 2.9), ("s2", 3.1)))

    scores = means(taught(LowestLatency(buffer=0.5), ANSWER, near, far), servers=3)

    assert [pytest.approx(0.2), pytest.approx(0.2), pytest.approx(0.31)] == scores
    assert scores[0] == scores[1]


def test_models_are_measured_apart() -> None:
    policy = taught(LowestLatency(), ANSWER, replace(ANSWER, model="large", total_s=9.0))

    assert [pytest.approx(0.2)] == means(policy)
    assert [pytest.approx(0.9)] == means(policy, model="large")


@pytest.mark.parametrize("option", ["buffer=-0.1", "window=0", "ttl_s=0"])
def test_options_out_of_range_are_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="buffer must be 0 or above, window 1 or above, ttl_s above 0"):
        make_policy(f"lowest-latency:{option}")
