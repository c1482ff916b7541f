"""Means over seeds, place by place."""

import pytest

from perllm.experiments.contest.row import ServiceRow
from perllm.experiments.contest.summary import Place, summarised
from tests.unit.experiments.contest.rows import row


def test_runs_are_gathered_by_place_and_contender_in_the_order_they_came() -> None:
    rows = [row("b", 2), row("a", 1, rate_per_s=9.0), row("b", 1), row("a", 1)]

    found = summarised(rows, 0.0)

    assert [(2.0, "b"), (9.0, "a"), (2.0, "a")] == [(each.place.rate_per_s, each.policy) for each in found]
    assert (1, 2) == found[0].seeds


def test_a_service_that_misses_its_target_on_average_is_named() -> None:
    def services(share: float) -> dict[str, ServiceRow]:
        return {
            "chat": ServiceRow(submitted=1, attainment=0.99, target=0.95, p95_s=None),
            "extract": ServiceRow(submitted=1, attainment=share, target=0.95, p95_s=None),
            "untold": ServiceRow(submitted=0, attainment=None, target=0.95, p95_s=None),
        }

    (found,) = summarised([row(seed=1, services=services(0.99)), row(seed=2, services=services(0.85))], 0.0)

    assert ("extract",) == found.missed
    assert not found.met
    assert 0.92 == pytest.approx(found.services["extract"].attainment)


def test_joules_for_a_token_in_time_are_all_joules_over_the_tokens_in_time() -> None:
    late = row(attainment=0.5, joules=600.0, idle_j=300.0, transmit_j=100.0)

    (found,) = summarised([late], 0.0)

    assert found.j_per_in_time_token is not None
    assert 1000.0 / 500.0 == found.j_per_in_time_token.mean


def test_a_place_is_named_as_readers_name_it() -> None:
    assert "small, two slots, 2.5/s" == str(Place(scenario="small", variant="two slots", rate_per_s=2.5))
    assert "small" == str(Place(scenario="small", variant="", rate_per_s=None))
