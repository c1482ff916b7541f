"""The result object has what users were promised, by the promised names."""

from collections.abc import Mapping
from typing import Any

import pytest

from perllm.accounting.ledger import Ledger
from tests.unit.accounting.entries import CHAT, close_entry, completed, dispatch, finish, request, server, submit_entry

FATES = "completed in_time refused failed timed_out cancelled"
SUMMARY = "mean p50 p95 p99"


@pytest.fixture
def result() -> Mapping[str, Any]:
    ledger = Ledger([server()], 0.0, services=[CHAT])
    ledger(submit_entry(request(), dispatch()))
    ledger(close_entry("r1#1", completed(), finish()))
    return ledger.result(scenario="s", policy="p", seed=7, finished_at_s=2.0)


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("requests", f"submitted {FATES}"),
        ("energy_j", "transmit infer idle total per_request"),
        ("latency_s", SUMMARY),
        ("first_token_s", SUMMARY),
        ("prediction_error", "median_absolute_fraction bias_fraction"),
    ],
)
def test_a_part_has_its_fields(result: Mapping[str, Any], part: str, names: str) -> None:
    assert [] == [name for name in names.split() if name not in result[part]]


def test_the_object_has_its_fields(result: Mapping[str, Any]) -> None:
    names = (
        "scenario policy seed requests attainment services energy_j latency_s first_token_s throughput_tokens_per_s "
        "goodput_tokens_per_s makespan_s prediction_error settings timing"
    )

    assert [] == [name for name in names.split() if name not in result]
    assert ["chat"] == list(result["services"])
