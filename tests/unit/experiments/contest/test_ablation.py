"""The parts of a policy are found by themselves, and what is said of them follows from what their lack did."""

from collections.abc import Sequence
from types import MappingProxyType

import pytest

from perllm.domain.request import Request
from perllm.errors import ConfigError
from perllm.experiments.contest import ablation
from perllm.experiments.contest.ablation import ablated, ablation_tables, changed
from perllm.experiments.contest.summary import summarised
from perllm.experiments.contest.versus import compared
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Policy
from perllm.simulation import contenders
from tests.unit.experiments.contest.rows import row


class Parts(Policy):
    """A policy with parts."""

    name = "parts"

    def __init__(self, *, harm: bool = True, delta: float = 0.5, dial: bool = True, tried: bool = False) -> None:
        self.told = (harm, delta, dial, tried)

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        return [0.0 for _ in candidates.feasible]


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = MappingProxyType({**contenders.SIMULATED, "parts": Parts})
    monkeypatch.setattr(contenders, "SIMULATED", registry)
    monkeypatch.setattr(ablation, "KNOWN", registry)


def test_every_part_is_switched_over_alone_and_those_that_are_on_one_after_another() -> None:
    assert [
        "parts",
        "parts:harm=false",
        "parts:dial=false",
        "parts:tried=true",
        "parts:harm=false:dial=false",
    ] == ablated("parts")


def test_what_the_whole_sets_itself_stays() -> None:
    assert ["parts+hold:delta=0.1:dial=false", "parts+hold:harm=false:delta=0.1:dial=false"] == ablated(
        "parts+hold:delta=0.1:dial=false", one_at_a_time=False
    )


def test_a_policy_without_parts_is_refused() -> None:
    with pytest.raises(ConfigError, match="cloud-only has no parts"):
        ablated("cloud-only")


def test_what_differs_is_named() -> None:
    assert "dial=false" == changed("parts:delta=0.1:dial=false", "parts:delta=0.1")
    assert "nothing" == changed("parts", "parts")


def test_a_part_pays_where_its_lack_costs_joules_or_a_target() -> None:
    noise = (1.0, 1.01, 0.99, 1.0)
    rows = [
        row(policy, seed, joules=100.0 * factor * noise[(seed + place) % 4], attainment=attainment)
        for place, (policy, factor, attainment) in enumerate(
            [("parts", 1.0, 1.0), ("parts:harm=false", 1.5, 1.0), ("parts:dial=false", 1.0, 0.5)]
        )
        for seed in (1, 2, 3, 4)
    ]
    summaries = summarised(rows, 0.0)

    (table,) = ablation_tables(summaries, compared(rows, summaries, "parts"), "parts")

    told = [line[-1] for line in table.rows]
    assert ["–", "yes: without it more joules", "yes: without it a target is missed"] == told
