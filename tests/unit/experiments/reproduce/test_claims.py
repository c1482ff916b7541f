"""A claim holds where the whole interval says so."""

import pytest

from perllm.experiments.contest.estimate import Estimate
from perllm.experiments.contest.summary import summarised
from perllm.experiments.reproduce.claims import claimed, claims_table, holds
from perllm.experiments.reproduce.plan import ClaimSection, ClaimsSection
from tests.unit.experiments.contest.rows import row

CLAIMS = ClaimsSection(rivals={"rival": ClaimSection(throughput=2.0)}, energy_fraction=0.5, attainment=0.97)


@pytest.mark.parametrize(
    ("low", "high", "at_least", "at_most"),
    [(2.1, 2.3, "yes", "no"), (1.5, 1.9, "no", "yes"), (1.9, 2.1, "within the interval", "within the interval")],
)
def test_the_interval_decides(low: float, high: float, at_least: str, at_most: str) -> None:
    found = Estimate(mean=(low + high) / 2.0, low=low, high=high, seeds=9)

    assert (at_least, at_most) == (holds(found, 2.0), holds(found, 2.0, at_most=True))


def test_without_an_interval_nothing_is_known() -> None:
    assert "unknown" == holds(None, 2.0)
    assert "unknown" == holds(Estimate(mean=9.0, low=None, high=None, seeds=1), 2.0)


def test_claims_are_about_ours_over_the_rival() -> None:
    rows = [
        row(policy, seed, joules=joules, makespan_s=span_s * (1.0 + seed / 100.0))
        for policy, joules, span_s in (("ours", 40.0, 50.0), ("rival", 100.0, 150.0), ("third", 1.0, 1.0))
        for seed in (1, 2, 3)
    ]

    (found,) = claimed(rows, summarised(rows, 0.0), ["ours"], CLAIMS)

    assert ("ours", "rival") == (found.ours, found.rival)
    assert found.throughput is not None
    assert found.energy is not None
    assert (3.0, 0.4) == pytest.approx((found.throughput.mean, found.energy.mean))
    assert ("yes", "yes", "yes") == (found.throughput_holds, found.energy_holds, found.attainment_holds)
    assert "small-model 40%, large-model 60%" in claims_table([found], "title").rows[0]
