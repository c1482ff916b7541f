"""The paper's reward against values worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from perllm.scheduling.reward import reward_of, satisfaction
from tests.unit.scheduling.policies.lessons import GOOD


@pytest.mark.parametrize(
    ("changes", "margin"),
    [
        ({}, 0.5),
        ({"latency_s": 3.0}, 0.25),
        ({"latency_s": 6.0}, -0.5),
        ({"free_slots_fraction": 0.1}, 0.1),
        ({"free_bandwidth_fraction": 0.2}, 0.2),
        ({"requirement_s": None, "latency_s": 99.0}, 0.5),
    ],
)
def test_satisfaction_is_the_margin_of_the_tightest_constraint(changes: dict[str, Any], margin: float) -> None:
    assert margin == satisfaction(replace(GOOD, **changes))


def test_the_reward_trades_joules_for_margin() -> None:
    assert pytest.approx(0.5 - 0.5) == reward_of(GOOD)
    assert pytest.approx(-0.5 - 3.1) == reward_of(replace(GOOD, latency_s=6.0, infer_j=300.0))
    assert pytest.approx(0.25 * 0.5 - 50.0 / 200.0) == reward_of(GOOD, 0.25, 200.0)
