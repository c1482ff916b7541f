"""When servers were down, by what was recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perllm.domain.telemetry import Health
from perllm.simulation.counterfactual import EXACT, Past
from perllm.simulation.counterfactual.outages import outages_of, probe_interval_s
from perllm.simulation.trouble import Lie, Outage, Trouble
from tests.unit.simulation.counterfactual.pasts import past


def with_trouble(**trouble: tuple[object, ...]) -> Past:
    return past(world=replace(EXACT, trouble=Trouble(**trouble)))  # type: ignore[arg-type]


def test_an_outage_lasts_from_the_first_failure_to_the_next_probe_that_is_answered() -> None:
    happened = with_trouble(outages=(Outage(server_id="edge", from_s=7.0, to_s=12.0),))

    [outage] = outages_of(happened)

    assert ("edge", 15.0) == (outage.server_id, outage.to_s)
    assert pytest.approx(7.0, abs=0.5) == outage.from_s


def test_without_a_failure_an_outage_begins_with_the_probe_that_shows_it() -> None:
    happened = with_trouble(lies=(Lie(server_id="cloud", from_s=4.0, to_s=9.0, healthy=False),))

    assert [("cloud", 5.0, 10.0)] == [(one.server_id, one.from_s, one.to_s) for one in outages_of(happened)]


def test_one_that_never_ends_lasts_to_the_end_of_the_journal() -> None:
    happened = with_trouble(outages=(Outage(server_id="edge", from_s=10.0, to_s=1e9),))

    assert [happened.ended_at_s] == [outage.to_s for outage in outages_of(happened)]


def test_failures_that_no_probe_confirms_are_nobodys_outage() -> None:
    happened = with_trouble(outages=(Outage(server_id="edge", from_s=6.0, to_s=8.0),))

    assert any(len(lived.tried) > 1 for lived in happened.lived)
    assert () == outages_of(happened)


def test_probes_tell_how_often_they_came() -> None:
    often = past(world=replace(EXACT, probe_interval_s=2.0))
    once = replace(often, health=(Health(server_id="edge", healthy=True, measured_at_s=0.0),))

    assert (2.0, 5.0) == (probe_interval_s(often), probe_interval_s(once))
