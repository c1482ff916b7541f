"""The search finds the last rate that holds, of an analytic toy."""

from math import exp

import pytest

from perllm.experiments.contest.bisection import RUNG, Search, rate_at, step_near


def search_for(threshold: float, start: float) -> tuple[Search, int]:
    """Search where exactly the rates up to a threshold hold; return how often it asked."""
    search, asked = Search(step_near(start)), 0
    while search.step is not None:
        search.tell(rate_at(search.step) <= threshold)
        asked += 1
    return search, asked


@pytest.mark.parametrize("start", [0.5, 3.0, 40.0])
@pytest.mark.parametrize("threshold", [0.9, 3.0, 3.05, 17.0])
def test_the_bracket_lies_around_the_threshold_and_is_no_wider_than_a_rung(threshold: float, start: float) -> None:
    search, asked = search_for(threshold, start)

    assert search.holds_at is not None
    assert search.fails_at == search.holds_at + 1
    assert rate_at(search.holds_at) <= threshold < rate_at(search.fails_at)
    assert rate_at(search.fails_at) / rate_at(search.holds_at) == pytest.approx(RUNG, abs=1e-4)
    assert asked <= 16


def test_the_capacity_of_a_queue_with_exponential_waits_is_found() -> None:
    # M/M/1 with service rate 10/s: P(sojourn ≤ 1 s) = 1 - exp(-(10 - rate)) ≥ 0.97 up to rate 10 + ln 0.03 = 6.493.
    search = Search(step_near(2.0))
    while search.step is not None:
        search.tell(1.0 - exp(rate_at(search.step) - 10.0) >= 0.97)

    assert search.holds_at is not None
    assert rate_at(search.holds_at) <= 6.4935 < rate_at(search.holds_at + 1)


def test_where_nothing_holds_there_is_no_rate_that_does() -> None:
    search, _ = search_for(0.0, 2.0)

    assert (None, True) == (search.holds_at, search.fails_at is not None)


def test_where_everything_holds_there_is_no_rate_that_fails() -> None:
    search, _ = search_for(1e12, 2.0)

    assert (None, True) == (search.fails_at, search.holds_at is not None)


def test_a_search_that_starts_where_another_ended_looks_no_further_than_that_one() -> None:
    first = Search(step_near(2.0))
    while first.step is not None:
        first.tell(True)
    assert first.holds_at is not None

    second = Search(first.holds_at, 3, centre=step_near(2.0))
    second.tell(True)

    assert (None, first.holds_at) == (second.step, second.holds_at)
