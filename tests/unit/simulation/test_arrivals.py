"""Arrivals: gaps of the mean and variation asked for, under any rate, alone and together."""

from collections.abc import Iterable
from dataclasses import replace
from math import pi, sin
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from perllm.simulation.arrivals import Arrivals, Instants, Process, gamma_shape, merged, weibull_cv, weibull_shape
from perllm.simulation.rates import Diurnal, RateShape, Spike

PROCESSES = [
    (Arrivals(), 1.0),
    (Arrivals(process=Process.CONSTANT), 0.0),
    (Arrivals(process=Process.GAMMA, shape=gamma_shape(0.5)), 0.5),
    (Arrivals(process=Process.GAMMA, shape=gamma_shape(3.0)), 3.0),
    (Arrivals(process=Process.WEIBULL, shape=weibull_shape(2.0)), 2.0),
    (Arrivals(process=Process.WEIBULL, shape=weibull_shape(0.3)), 0.3),
]


@pytest.mark.parametrize(("arrivals", "cv"), PROCESSES)
def test_gaps_have_mean_one_and_the_variation_asked_for(arrivals: Arrivals, cv: float) -> None:
    gaps = arrivals.gaps(default_rng(1), 400_000)

    assert pytest.approx(1.0, rel=0.02) == gaps.mean()
    assert pytest.approx(cv, rel=0.03) == gaps.std() / gaps.mean()


@given(st.floats(0.02, 100.0))
def test_a_weibull_shape_gives_the_variation_it_was_found_for(cv: float) -> None:
    assert pytest.approx(cv, rel=1e-6) == weibull_cv(weibull_shape(cv))


def test_a_weibull_of_variation_one_is_exponential() -> None:
    assert pytest.approx(1.0, abs=1e-9) == weibull_shape(1.0)


@pytest.mark.parametrize(("arrivals", "cv"), PROCESSES)
def test_as_many_arrive_as_the_rate_integrates_to(arrivals: Arrivals, cv: float) -> None:
    rate = RateShape(diurnal=Diurnal(period_s=200.0, depth=0.8), spikes=(Spike(from_s=100.0, to_s=150.0, factor=5.0),))
    at_s = Instants(replace(arrivals, rate=rate), 50.0, default_rng(2)).take(60_000)

    # From the wave's trough to where it is back at 1: 50 s and 0.8 times the integral of the cosine over them.
    spike_s = 50.0 + 0.8 * 200.0 / (2 * pi) * (sin(1.5 * pi) - sin(pi))
    expected = 50.0 * 5.0 * spike_s
    within = np.count_nonzero((at_s >= 100.0) & (at_s < 150.0))
    # The count of a renewal process varies by about CV²·n.
    assert abs(within - expected) <= 4 * cv * np.sqrt(expected) + 2
    assert np.all(np.diff(at_s) >= 0.0)


@given(st.integers(0, 50), st.lists(st.integers(1, 300), min_size=2, max_size=8), st.sampled_from(PROCESSES))
@settings(max_examples=40, deadline=None)
def test_instants_do_not_depend_on_how_many_are_taken_at_once(
    seed: int, counts: list[int], process: tuple[Arrivals, float]
) -> None:
    arrivals = replace(process[0], rate=RateShape(diurnal=Diurnal(period_s=9.0, depth=0.9)))
    one, many = (Instants(arrivals, 7.0, default_rng(seed)) for _ in range(2))

    at_once = one.take(sum(counts))

    assert at_once.tolist() == [at_s for count in counts for at_s in many.take(count).tolist()]


@pytest.mark.parametrize("chunk", [1, 7, 64, 5000])
def test_processes_together_are_in_order_whatever_the_chunk(chunk: int) -> None:
    def sources() -> list[Instants]:
        constant = Arrivals(process=Process.CONSTANT)
        bursty = Arrivals(process=Process.GAMMA, shape=gamma_shape(6.0))
        # The first two tie at every instant; gaps of the third are often 0.
        return [
            Instants(constant, 1.0, default_rng(0)),
            Instants(constant, 1.0, default_rng(0)),
            Instants(bursty, 3.0, default_rng(1)),
            Instants(Arrivals(), 0.01, default_rng(2)),
        ]

    drawn = first(merged(sources(), chunk), 1500)

    assert first(merged(sources(), 1000), 1500) == drawn
    assert sorted(drawn) == drawn
    ties = [source for _, source in drawn if source < 2]
    assert [0, 1] * (len(ties) // 2) == ties[: len(ties) // 2 * 2]


def first(chunks: Iterable[tuple[Any, Any]], count: int) -> list[tuple[float, int]]:
    drawn: list[tuple[float, int]] = []
    for at_s, source in chunks:
        drawn.extend(zip(at_s.tolist(), source.tolist(), strict=True))
        if len(drawn) >= count:
            return drawn[:count]
    raise AssertionError("processes have no end")
