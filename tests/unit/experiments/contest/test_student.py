"""Student's t against published tables and against its two closed forms."""

from math import atan, pi, sqrt

import pytest

from perllm.experiments.contest.student import cdf, quantile


@pytest.mark.parametrize(
    ("freedom", "published"), [(1, 12.706), (2, 4.303), (3, 3.182), (9, 2.262), (10, 2.228), (30, 2.042), (120, 1.980)]
)
def test_the_quantiles_of_two_sided_intervals_are_the_published_ones(freedom: int, published: float) -> None:
    assert published == pytest.approx(quantile(0.975, freedom), abs=5e-4)
    assert -published == pytest.approx(quantile(0.025, freedom), abs=5e-4)


@pytest.mark.parametrize("t", [-3.0, -0.5, 0.0, 0.7, 20.0])
def test_one_and_two_degrees_of_freedom_have_closed_forms(t: float) -> None:
    assert 0.5 + atan(t) / pi == pytest.approx(cdf(t, 1))
    assert 0.5 + t / (2.0 * sqrt(2.0 + t * t)) == pytest.approx(cdf(t, 2))


@pytest.mark.parametrize("freedom", [1, 2, 5, 6])
def test_the_distribution_rises_from_nothing_to_everything(freedom: int) -> None:
    values = [cdf(t, freedom) for t in (-1e9, -4.0, -1.0, 0.0, 1.0, 4.0, 1e9)]

    assert values == sorted(values)
    assert (0.0, 0.5, 1.0) == pytest.approx((values[0], values[3], values[-1]), abs=1e-9)
