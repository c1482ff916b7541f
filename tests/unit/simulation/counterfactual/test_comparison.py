"""Errors of what was played."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from perllm.domain.action import Fate, Outcome
from perllm.domain.energy import Energy, EnergyMethod
from perllm.domain.request import Requirement
from perllm.simulation.counterfactual.comparison import compare, errors_of


def outcome(took_s: float, *, fate: Fate = Fate.COMPLETED, server_id: str = "edge", **changes: Any) -> Outcome:
    facts: dict[str, Any] = {
        "request_id": "", "service": "chat", "fate": fate, "refusal": None, "server_id": server_id, "attempts": 1,
        "arrived_at_s": 10.0, "dispatched_at_s": 10.0, "first_token_at_s": None, "finished_at_s": 10.0 + took_s,
        "requirement": Requirement(), "in_time": True, "counted": True, "prompt_tokens": 1, "output_tokens": 1,
        "energy": Energy(infer_j=2.0), "energy_method": EnergyMethod.DECLARED, "predicted_total_s": None,
        "predicted_energy_j": None,
    }  # fmt: skip
    return Outcome(**(facts | changes))


def test_percentiles_are_compared_over_all_and_errors_one_by_one() -> None:
    errors = errors_of([(1.0, 2.0), (2.0, 1.0), (4.0, 5.0)])

    assert (3, 2.0, 2.0, 4.0, 5.0) == (
        errors.requests, errors.real["p50"], errors.played["p50"], errors.real["p99"], errors.played["p99"],
    )  # fmt: skip
    assert {"p50": 0.0, "p90": 0.25, "p95": 0.25, "p99": 0.25} == errors.percentile_errors
    assert pytest.approx((0.5, 1.0, 1 / 7)) == (errors.median_off, errors.p95_off, errors.bias)


def test_where_nothing_can_be_compared_nothing_is_told() -> None:
    errors = errors_of([(None, 1.0), (1.0, None)])

    assert (0, {}, {}, None, None) == (
        errors.requests, errors.real, errors.percentile_errors, errors.bias, errors.median_off,
    )  # fmt: skip


def test_only_requests_completed_on_both_sides_have_times() -> None:
    comparison = compare(
        {"a": outcome(1.0), "b": outcome(1.0), "c": outcome(1.0), "d": outcome(1.0)},
        {"a": outcome(1.1), "b": outcome(9.0, fate=Fate.FAILED), "c": outcome(1.2, server_id="cloud")},
    )

    assert (3, 2) == (comparison.requests, comparison.total_s.requests)
    assert pytest.approx((2 / 3, 2 / 3)) == (comparison.same_server, comparison.same_fate)


def test_requirements_and_joules_are_those_of_all_requests() -> None:
    comparison = compare(
        {"a": outcome(1.0), "b": outcome(1.0, in_time=False), "c": outcome(1.0, in_time=False, counted=False)},
        {"a": outcome(1.0), "b": outcome(1.0), "c": outcome(1.0, energy=Energy(infer_j=3.0))},
    )

    assert (0.5, 1.0) == (comparison.real_attainment, comparison.played_attainment)
    assert (6.0, 7.0) == (comparison.real_j, comparison.played_j)


def test_first_tokens_count_from_the_arrival() -> None:
    comparison = compare({"a": outcome(1.0, first_token_at_s=10.25)}, {"a": outcome(1.0, first_token_at_s=10.5)})

    assert ({"p50": 0.25}, {"p50": 0.5}) == (
        {"p50": comparison.first_token_s.real["p50"]},
        {"p50": comparison.first_token_s.played["p50"]},
    )


def test_what_is_told_is_ready_for_json_and_leaves_single_requests_out() -> None:
    told = compare({"a": outcome(1.0)}, {"a": outcome(0.9)}).as_json()

    assert "pairs" not in told
    assert told == msgspec.json.decode(msgspec.json.encode(told))
