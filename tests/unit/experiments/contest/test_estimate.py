"""Intervals by hand, and pairs of the same seed."""

from math import exp, log

import pytest

from perllm.experiments.contest.estimate import difference_estimate, estimate, paired, ratio_estimate, smaller_p


def test_a_mean_of_four_has_the_textbook_interval() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0])

    # s = 1.29099, t(3) = 3.18245, half = 3.18245 × 1.29099 / 2.
    assert found is not None
    assert (2.5, 2.5 - 2.05426, 2.5 + 2.05426, 4) == pytest.approx(
        (found.mean, found.low, found.high, found.seeds), abs=1e-4
    )


def test_one_seed_has_no_interval_and_what_is_unknown_of_one_seed_is_unknown() -> None:
    alone = estimate([3.0])

    assert alone is not None
    assert (3.0, None, None) == (alone.mean, alone.low, alone.high)
    assert estimate([1.0, None]) is None
    assert estimate([]) is None


def test_only_seeds_that_both_have_are_paired() -> None:
    pairs = paired({3: 30.0, 1: 10.0, 2: 20.0}, {1: 1.0, 3: 3.0, 4: 4.0})

    assert [(10.0, 1.0), (30.0, 3.0)] == pairs


def test_pairing_takes_out_what_seeds_have_in_common() -> None:
    pairs = [(1.0, 2.0), (10.0, 20.0), (100.0, 200.0)]

    found = ratio_estimate(pairs)

    assert found is not None
    assert (0.5, 0.5, 0.5) == pytest.approx((found.mean, found.low, found.high))


def test_a_ratio_is_the_geometric_mean_with_the_interval_of_logarithms() -> None:
    logs = estimate([log(0.8), log(0.9), log(0.7)])

    found = ratio_estimate([(8.0, 10.0), (9.0, 10.0), (7.0, 10.0)])

    assert found is not None
    assert logs is not None
    assert logs.low is not None
    assert (exp(logs.mean), exp(logs.low)) == pytest.approx((found.mean, found.low))


def test_a_ratio_of_what_is_not_positive_is_unknown() -> None:
    assert ratio_estimate([(0.0, 1.0)]) is None
    assert smaller_p([(0.0, 1.0), (1.0, 1.0)], than=1.0) is None
    assert smaller_p([(0.5, 1.0)], than=1.0) is None


def test_the_test_is_one_sided() -> None:
    fewer = [(0.90, 1.0), (0.91, 1.0), (0.89, 1.0), (0.92, 1.0)]
    more = [(other, one) for one, other in fewer]

    sure, refuted = smaller_p(fewer, than=0.98), smaller_p(more, than=0.98)

    assert sure is not None
    assert refuted is not None
    assert sure < 0.01
    assert refuted > 0.99


def test_a_difference_within_the_margin_is_no_proof_of_being_below_it() -> None:
    p = smaller_p([(0.985, 1.0), (0.99, 1.0), (0.98, 1.0)], than=0.98)

    assert p is not None
    assert p > 0.5


def test_without_any_scatter_the_test_says_which_side() -> None:
    assert 0.0 == smaller_p([(0.5, 1.0), (1.0, 2.0)], than=0.98)
    assert 1.0 == smaller_p([(1.0, 1.0), (2.0, 2.0)], than=0.98)


def test_a_difference_is_first_less_second() -> None:
    found = difference_estimate([(0.9, 1.0), (0.8, 1.0)])

    assert found is not None
    assert -0.15 == pytest.approx(found.mean)
