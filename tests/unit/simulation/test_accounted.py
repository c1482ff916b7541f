"""A run without entries is counted as one with them."""

from __future__ import annotations

import pytest

from perllm.domain.entry import Entry
from perllm.scheduling.policies import REGISTRY
from perllm.simulation.simulator import run
from tests.unit.simulation.machines import scenario


@pytest.mark.parametrize("policy", sorted(REGISTRY))
def test_the_result_is_the_same_whether_somebody_listens_or_not(policy: str) -> None:
    entries: list[Entry] = []
    heard, unheard = (
        run(scenario(policy=policy), 3, sinks=[entries.append]).result,
        run(scenario(policy=policy), 3).result,
    )

    for result in (heard, unheard):
        # Nobody predicts for a policy that looks at nothing unless somebody listens.
        del result["timing"], result["prediction_error"]
    assert heard == unheard
    assert entries
