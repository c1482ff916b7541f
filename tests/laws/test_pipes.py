"""Laws of the ways: bytes take as long as the integral of the rate says, and none overtakes another."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perllm.simulation.link import Interval, Pipe
from perllm.simulation.streams import stream
from perllm.simulation.weather import Weather, fluctuating, markov, recorded

RATE_BYTES_PER_S = 1000.0
Made = Callable[[], Weather]
"""Makes a weather, so that a test can have the same one twice."""


def of_record(gaps: list[tuple[float, float]]) -> Made:
    """Return the maker of a record with these (seconds, level) stays, the last one for ever."""
    rows = [(sum(stay_s for stay_s, _ in gaps[:row]), level) for row, (_, level) in enumerate(gaps)]
    return lambda: recorded([*rows, (99.0, 1.0)])


SEEDS = st.integers(0, 99)
FLUCTUATING: st.SearchStrategy[Made] = st.builds(
    lambda seed, every_s: lambda: fluctuating(stream(seed, "w"), 0.7, every_s), SEEDS, st.floats(0.1, 3.0)
)
CHAINS: st.SearchStrategy[Made] = st.builds(
    lambda seed, low: lambda: markov(stream(seed, "w"), (1.0, low, 2.0), (0.5, 1.0, 0.2)), SEEDS, st.floats(0.01, 0.5)
)
STAYS = st.tuples(st.floats(0.1, 3.0), st.just(0.0) | st.floats(0.1, 3.0))
WEATHERS = FLUCTUATING | CHAINS | st.builds(of_record, st.lists(STAYS, max_size=6))
OUTAGES = st.lists(st.builds(lambda at_s, for_s: (at_s, at_s + for_s), st.floats(0, 10), st.floats(0.1, 5)), max_size=3)
SENDINGS = st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(1.0, 5000.0)), min_size=1, max_size=8).map(sorted)


def carried_bytes(weather: Weather, outages: list[Interval], from_s: float, to_s: float) -> float:
    """Add up what a pipe can carry between two instants: piece by piece, none of which has a change inside."""
    cuts = {from_s, to_s, *(at_s for outage in outages for at_s in outage)}
    at_s = 0.0
    while at_s < to_s:
        cuts.add(at_s)
        at_s = weather.at(at_s)[1]
    inside = sorted(at_s for at_s in cuts if from_s <= at_s <= to_s)
    total = 0.0
    for earlier_s, later_s in pairwise(inside):
        middle_s = (earlier_s + later_s) / 2
        if not any(begins_s <= middle_s < ends_s for begins_s, ends_s in outages):
            total += weather.at(middle_s)[0] * RATE_BYTES_PER_S * (later_s - earlier_s)
    return total


@given(WEATHERS, OUTAGES, SENDINGS)
def test_a_pipe_carries_the_integral_of_its_rate(
    weather: Made, outages: list[Interval], sendings: list[tuple[float, float]]
) -> None:
    pipe = Pipe(RATE_BYTES_PER_S, weather(), outages)
    free_at_s = 0.0
    for at_s, count_bytes in sendings:
        begins_at_s = max(at_s, free_at_s)
        free_at_s = pipe.send(at_s, count_bytes)

        assert pytest.approx(count_bytes, rel=1e-9) == carried_bytes(weather(), outages, begins_at_s, free_at_s)


@given(WEATHERS, OUTAGES, SENDINGS)
def test_nothing_is_through_before_it_could_be_alone(
    weather: Made, outages: list[Interval], sendings: list[tuple[float, float]]
) -> None:
    pipe = Pipe(RATE_BYTES_PER_S, weather(), outages)
    through = []
    for at_s, count_bytes in sendings:
        soonest_s = pipe.soonest(at_s, count_bytes)
        through.append(pipe.send(at_s, count_bytes))
        assert through[-1] >= soonest_s > at_s

    assert sorted(through) == through
