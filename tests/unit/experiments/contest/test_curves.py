"""Windows of several runs together, also where a long run has longer ones."""

import pytest

from perllm.experiments.contest.curves import windows
from tests.unit.experiments.contest.rows import curve


def test_windows_of_the_same_length_are_added_up() -> None:
    at_s, shares = windows([curve((10.0, 10, 10, 0.0), (20.0, 5, 10, 0.0)), curve((10.0, 0, 10, 0.0))])

    assert [10.0, 20.0] == at_s
    assert [0.5, 0.5] == pytest.approx(shares)


def test_the_coarsest_run_sets_the_windows() -> None:
    fine = curve((5.0, 5, 5, 0.0), (10.0, 0, 5, 0.0))

    at_s, shares = windows([fine, curve((10.0, 10, 10, 0.0), (20.0, 0, 0, 0.0))])

    assert [10.0, 20.0] == at_s
    assert 15 / 20 == pytest.approx(shares[0])
    assert shares[1] is None
