"""Several engines on one clock."""

from __future__ import annotations

from math import inf

import pytest

from perllm.domain.attempt import Ending, EndingKind
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.trouble import Outage, OutageKind, Tenant, Trouble
from perllm.simulation.world import World
from tests.unit.simulation.machines import CLOUD, SERVER, job

EXACT = WorldSettings(prior_error=0.0)


def test_engines_take_turns_on_one_clock() -> None:
    world = World((SERVER, CLOUD), EXACT, 1)
    world.send("edge", "a", job(output_tokens=20), 0.0)
    world.send("cloud", "b", job(output_tokens=20), 0.0)
    world.send("edge", "c", job(output_tokens=20), 0.1)

    known = []
    while world.open_attempts:
        known.append(world.advance(100.0))
    instants = [report.at_s for report in known if report is not None]

    assert sorted(instants) == instants
    assert {"a": 2, "b": 2, "c": 2} == {
        name: sum(r is not None and r.attempt_id == name for r in known) for name in "abc"
    }
    assert world.advance(100.0) is None
    assert inf == world.next_at_s


def test_nothing_beyond_the_instant_asked_for_is_told() -> None:
    world = World((SERVER,), EXACT, 1)
    world.send("edge", "a", job(output_tokens=11, stream=False), 0.0)

    assert world.advance(0.3) is None
    assert 0.3 < world.next_at_s < 0.4
    assert world.advance(0.4) is not None


def test_an_aborted_attempt_is_heard_of_no_more() -> None:
    world = World((SERVER, CLOUD), EXACT, 1)
    world.send("cloud", "a", job(), 0.0)

    ending = world.abort("a", EndingKind.TIMED_OUT, 0.05)

    assert (EndingKind.TIMED_OUT, 0) == (ending.kind, world.open_attempts)
    assert world.advance(100.0) is None


def test_servers_are_what_they_are_whoever_stands_beside_them() -> None:
    alone = World((CLOUD,), WorldSettings(), 5)
    together = World((SERVER, CLOUD), WorldSettings(), 5)

    assert alone.servers[0] == together.servers[1] != CLOUD


def test_an_outage_concerns_its_server_alone() -> None:
    outage = Outage(server_id="edge", from_s=0.0, to_s=9.0)
    world = World((SERVER, CLOUD), WorldSettings(trouble=Trouble(outages=(outage,))), 1)
    world.send("edge", "a", job(stream=False), 1.0)
    world.send("cloud", "b", job(stream=False), 1.0)

    kinds = {}
    while (report := world.advance(100.0)) is not None:
        assert isinstance(report.event, Ending)
        kinds[report.attempt_id] = report.event.kind

    assert {"a": EndingKind.FAILED, "b": EndingKind.COMPLETED} == kinds
    assert (False, True) == (world.healthy("edge", 1.0), world.healthy("cloud", 1.0))


def test_the_meters_of_servers_count_what_attempts_are_charged() -> None:
    world = World((SERVER, CLOUD), WorldSettings(), 1)
    world.send("edge", "a", job(stream=False), 0.0)
    world.send("cloud", "b", job(stream=False), 0.0)
    charged = {}
    while (report := world.advance(100.0)) is not None:
        assert isinstance(report.event, Ending)
        charged[report.attempt_id] = report.event.infer_j

    assert {"edge": pytest.approx(charged["a"]), "cloud": pytest.approx(charged["b"])} == world.joules()


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(tenants=(Tenant(server_id="edge", rate_per_s=1.0, prompt_tokens=1e9, output_tokens=10.0),)),
        *(
            Trouble(
                tenants=(Tenant(server_id="edge", rate_per_s=1.0, prompt_tokens=9.0, output_tokens=10.0),),
                outages=(Outage(server_id="edge", from_s=0.0, to_s=60.0, kind=kind),),
            )
            for kind in OutageKind
        ),
    ],
)
def test_nobody_here_is_told_of_a_tenant_whom_the_server_turns_away(trouble: Trouble) -> None:
    world = World((SERVER,), WorldSettings(prior_error=0.0, trouble=trouble), 1)

    assert world.advance(50.0) is None
    assert (0, 0.0) == (world.open_attempts, world.joules()["edge"])
