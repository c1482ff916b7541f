"""The rate over time: its integral, and the way back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perllm.simulation.rates import Diurnal, Ramp, RateCurve, RateShape, Spike

FACTORS = st.floats(0.05, 20.0)
LENGTHS_S = st.floats(0.5, 500.0)


@st.composite
def shapes(draw: st.DrawFn) -> RateShape:
    ramps, at_s = [], 0.0
    for _ in range(draw(st.integers(0, 3))):
        from_s = at_s + draw(LENGTHS_S)
        at_s = from_s + draw(st.one_of(st.just(0.0), LENGTHS_S))
        ramps.append(Ramp(from_s=from_s, to_s=at_s, factor=draw(FACTORS)))
    spikes = [
        Spike(from_s=from_s, to_s=from_s + draw(LENGTHS_S), factor=draw(st.one_of(st.just(0.0), FACTORS)))
        for from_s in draw(st.lists(st.floats(0.0, 1000.0), max_size=3))
    ]
    wave = draw(st.one_of(st.none(), st.builds(Diurnal, period_s=st.floats(5.0, 5000.0), depth=st.floats(0.0, 1.0))))
    return RateShape(diurnal=wave, ramps=tuple(ramps), spikes=tuple(spikes))


@given(shapes())
@settings(max_examples=150, deadline=None)
def test_the_cumulative_rate_and_the_instants_are_inverse(shape: RateShape) -> None:
    curve = RateCurve(shape)
    operational = np.linspace(0.0, 2000.0, 257)

    at_s = curve.instants(operational)

    assert np.all(np.diff(at_s) >= -1e-6)
    assert pytest.approx(operational, abs=1e-5, rel=1e-8) == curve.cumulative(at_s)


@given(shapes(), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_no_instant_depends_on_those_it_is_found_with(shape: RateShape, piece: int) -> None:
    operational = np.linspace(0.0, 900.0, 83)
    curve = RateCurve(shape)

    together = curve.instants(operational)
    apart = np.concatenate([curve.instants(operational[at : at + piece]) for at in range(0, 83, piece)])

    assert together.tolist() == apart.tolist()


@given(shapes())
@settings(max_examples=60, deadline=None)
def test_the_closed_form_is_the_integral(shape: RateShape) -> None:
    curve = RateCurve(shape)
    grid_s = np.linspace(0.0, 300.0, 300_001)
    middles_s = (grid_s[1:] + grid_s[:-1]) / 2
    summed = np.sum([factor_at(shape, middles_s)]) * (grid_s[1] - grid_s[0])

    assert pytest.approx(summed, rel=1e-3, abs=0.05) == float(curve.cumulative(np.array([300.0]))[0])


def factor_at(shape: RateShape, at_s: np.ndarray) -> np.ndarray:
    """Say what the shape says, word by word."""
    factor = np.ones_like(at_s)
    level = 1.0
    for ramp in shape.ramps:
        rising = np.interp(at_s, [ramp.from_s, max(ramp.to_s, ramp.from_s + 1e-9)], [level, ramp.factor])
        factor = np.where(at_s >= ramp.from_s, rising, factor)
        level = ramp.factor
    for spike in shape.spikes:
        factor = factor * np.where((at_s >= spike.from_s) & (at_s < spike.to_s), spike.factor, 1.0)
    if shape.diurnal is not None:
        wave = shape.diurnal
        factor = factor * (1 + wave.depth * np.cos(2 * np.pi * (at_s - wave.peak_at_s) / wave.period_s))
    return factor


def test_a_wave_is_highest_at_its_peak_and_averages_to_the_base() -> None:
    curve = RateCurve(RateShape(diurnal=Diurnal(period_s=100.0, depth=0.5, peak_at_s=30.0)))

    around = curve.cumulative(np.array([29.0, 31.0, 79.0, 81.0, 100.0, 1000.0]))

    assert pytest.approx(1.5, rel=1e-3) == (around[1] - around[0]) / 2
    assert pytest.approx(0.5, rel=1e-3) == (around[3] - around[2]) / 2
    assert pytest.approx([100.0, 1000.0]) == around[4:].tolist()


def test_nothing_arrives_while_the_rate_is_nothing() -> None:
    curve = RateCurve(RateShape(spikes=(Spike(from_s=10.0, to_s=20.0, factor=0.0),)))

    assert [9.5, 20.5] == curve.instants(np.array([9.5, 10.5])).tolist()


def test_a_rate_that_ends_at_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="must not stay at 0"):
        RateCurve(RateShape(ramps=(Ramp(from_s=1.0, to_s=2.0, factor=0.0),)))
