"""The table of steps against the formulas it stands for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.costs.energy import decode_w, marginal_decode_j
from perllm.costs.time import decode_step_s
from perllm.scheduling.outlook import StepTable
from tests.unit.scheduling.builders import CLOUD

SPEED = replace(
    CLOUD.speed,
    context_token_s=2e-6,
    serial_fraction=0.2,
    step_overhead_s=1e-3,
    sequence_overhead_s=1e-4,
    batching_overhead_s=5e-4,
)
SERVER = replace(CLOUD, speed=SPEED)


@pytest.mark.parametrize("others", range(SERVER.slots))
@pytest.mark.parametrize("context_each", [0.0, 700.0])
def test_the_table_says_what_the_formulas_of_costs_say(others: int, context_each: float) -> None:
    context_tokens, batch = others * context_each, others + 1

    step = StepTable(SERVER).joined(others, context_tokens)

    # Of one that is alone the context is not counted, as in the formula of its joules.
    token_s = decode_step_s(SPEED, batch, batch * context_each if others else 0.0)
    assert pytest.approx(token_s) == step.token_s
    marginal_j = marginal_decode_j(SPEED, SERVER.power, others, SERVER.slots, context_tokens)
    assert pytest.approx(marginal_j) == step.marginal_j
    assert pytest.approx(decode_w(SERVER.power, batch, SERVER.slots) * token_s / batch) == step.share_j
