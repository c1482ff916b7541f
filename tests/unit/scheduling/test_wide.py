"""Estimates over arrays against those of one server after the other."""

from __future__ import annotations

from math import inf, isnan

import numpy as np
import pytest
from msgspec.structs import replace

from perllm.scheduling.columns import Columns
from perllm.scheduling.predictor import estimate_all
from perllm.scheduling.wide import estimate_wide
from tests.unit.scheduling.builders import NEED
from tests.unit.scheduling.fleets import SIZE, busy_fleet, change

NOW_S = 10.0
COLUMNS = ("total_s", "first_token_s", "token_s", "in_time_probability", "energy_j", "outstanding", "harm")


@pytest.mark.parametrize("budget_s", [inf, 30.0, 3.0, 1.0, 0.4, 0.02, -1.0])
@pytest.mark.parametrize("first_token_budget_s", [inf, 0.5, -1.0])
@pytest.mark.parametrize("limit", [inf, 120.0, 20.0])
def test_arrays_say_the_same_as_one_server_after_the_other(
    budget_s: float, first_token_budget_s: float, limit: float
) -> None:
    states = busy_fleet(seed=1)
    need = replace(NEED, budget_s=budget_s, first_token_budget_s=first_token_budget_s, limit=limit)
    columns = Columns(states)
    columns.refresh()

    one_by_one = estimate_all(states, need, range(SIZE), NOW_S)
    at_once = estimate_wide(columns, need, np.array([], dtype=np.intp), NOW_S)

    for name in COLUMNS:
        assert np.asarray(getattr(at_once, name)) == pytest.approx(getattr(one_by_one, name), rel=1e-12, abs=1e-12)


def test_what_cannot_be_reached_is_unknown() -> None:
    columns = Columns(busy_fleet(seed=2))
    columns.refresh()

    found = estimate_wide(columns, NEED, np.array([3]), NOW_S)

    assert isnan(found.total_s[3])
    assert isnan(found.energy_j[3])
    assert not isnan(found.total_s[4])


def test_servers_that_changed_are_read_again_and_no_others() -> None:
    states = busy_fleet(seed=3)
    columns = Columns(states)
    columns.refresh()
    before = columns.outlook.copy()

    change(states[5], np.random.default_rng(4))
    columns.refresh()

    assert np.flatnonzero((columns.outlook != before).any(axis=0)).tolist() == [5]
    assert columns.outlook[:, 5].tolist() == list(states[5].look())
    assert columns.outstanding[5] == states[5].batch
