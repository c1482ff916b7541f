"""Factors over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from math import inf

import pytest

from perllm.simulation.streams import stream
from perllm.simulation.weather import Weather, fluctuating, markov, recorded


def levels(weather: Weather, until_s: float) -> list[tuple[float, float, float]]:
    """Return the levels up to an instant with when each begins and ends."""
    found, at_s = [], 0.0
    while at_s < until_s:
        level, ends_at_s = weather.at(at_s)
        found.append((at_s, ends_at_s, level))
        at_s = ends_at_s
    return found


def test_a_record_keeps_each_level_until_the_next_and_the_last_for_ever() -> None:
    weather = recorded([(0.0, 1.0), (10.0, 0.25), (15.0, 2.0)])

    assert [(1.0, 10.0), (1.0, 10.0), (0.25, 15.0), (2.0, inf), (2.0, inf)] == [
        weather.at(at_s) for at_s in (0.0, 9.9, 10.0, 15.0, 1e9)
    ]


def test_before_a_record_begins_its_first_level_holds() -> None:
    weather = recorded([(5.0, 0.5), (10.0, 2.0)])

    assert [0.5, 0.5, 2.0] == [weather.at(at_s)[0] for at_s in (0.0, 6.0, 11.0)]


def test_a_record_of_one_line_is_a_constant() -> None:
    assert [0.7, 0.7] == [recorded([(3.0, 0.7)]).at(at_s)[0] for at_s in (0.0, 99.0)]


def test_a_fluctuation_is_drawn_anew_at_its_intervals_within_its_spread() -> None:
    found = levels(fluctuating(stream(1, "w"), 0.2, 2.0), 2000.0)

    assert [pytest.approx(2.0 * number) for number in range(1000)] == [begins for begins, _, _ in found]
    drawn = [level for _, _, level in found]
    assert 0.8 <= min(drawn) < 0.805
    assert 1.195 < max(drawn) <= 1.2
    # The deviation of a uniform level is 0.115, of the mean of a thousand 0.004.
    assert pytest.approx(1.0, abs=0.012) == sum(drawn) / len(drawn)


def test_a_chain_never_stays_and_spends_its_time_as_its_stays_say() -> None:
    found = levels(markov(stream(1, "w"), (1.0, 0.5, 0.1), (6.0, 3.0, 1.0)), 60000.0)

    assert all(before != after for (_, _, before), (_, _, after) in pairwise(found))
    spent_s: defaultdict[float, float] = defaultdict(float)
    for begins_at_s, ends_at_s, level in found:
        spent_s[level] += ends_at_s - begins_at_s
    # From each level the two others are as likely, so that all are visited as often.
    assert {
        1.0: pytest.approx(0.6, abs=0.02),
        0.5: pytest.approx(0.3, abs=0.02),
        0.1: pytest.approx(0.1, abs=0.01),
    } == {level: spent / sum(spent_s.values()) for level, spent in spent_s.items()}


def test_a_chain_goes_to_either_other_level_alike() -> None:
    found = levels(markov(stream(2, "w"), (1.0, 0.5, 0.1), (1.0, 1.0, 1.0)), 20000.0)
    moves = Counter((before, after) for (_, _, before), (_, _, after) in pairwise(found))

    # Six moves of some 3,333 each, give or take 53.
    assert 6 == len(moves)
    assert all(3333 - 250 < count < 3333 + 250 for count in moves.values())


def test_a_chain_of_one_level_stays_there() -> None:
    assert {0.4} == {level for _, _, level in levels(markov(stream(1, "w"), (0.4,), (1.0,)), 100.0)}


def test_who_looks_far_ahead_first_finds_what_others_find_step_by_step() -> None:
    ahead, behind = fluctuating(stream(1, "w"), 0.2, 1.0), fluctuating(stream(1, "w"), 0.2, 1.0)
    ahead.at(5000.0)

    assert levels(ahead, 1000.0) == levels(behind, 1000.0)
