"""Holm's correction against an example worked by hand."""

import pytest

from perllm.experiments.contest.holm import holm


def test_four_tests_worked_by_hand() -> None:
    # Sorted: 0.005 × 4 = 0.02, 0.01 × 3 = 0.03, 0.03 × 2 = 0.06, 0.04 × 1 = 0.04, which may not fall below 0.06.
    assert [0.03, 0.06, 0.06, 0.02] == pytest.approx(holm([0.01, 0.04, 0.03, 0.005]))


def test_one_test_needs_no_correction_and_none_exceeds_one() -> None:
    assert [0.04] == holm([0.04])
    assert [1.0, 1.0] == holm([0.9, 0.6])
    assert [] == holm([])
