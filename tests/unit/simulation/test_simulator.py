"""Whole runs."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any, cast

import pytest
from msgspec.structs import replace as altered

from perllm.accounting.interval import IntervalRow
from perllm.accounting.series import Series
from perllm.domain.action import Actions, Cancel, Dispatch
from perllm.domain.attempt import Ending, EndingKind, Stage
from perllm.domain.entry import Entry, EventKind
from perllm.domain.profile import Batching, Rest
from perllm.domain.request import Request, Requirement
from perllm.domain.service import WhenLate
from perllm.domain.telemetry import Fact, Health
from perllm.errors import ConfigError, InvariantError
from perllm.journal.recording import Port, Recording
from perllm.simulation.bandwidth import Fluctuation, Network, Site
from perllm.simulation.probes import Probes
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.simulator import Simulator, run
from perllm.simulation.trouble import Drift, Lie, LinkOutage, Outage, OutageKind, Slowdown, Tenant, Trouble
from perllm.simulation.workload import jobs
from perllm.simulation.world import World
from tests.unit.simulation.machines import CHAT, CLOUD, LOAD, SERVER, scenario

NO_ONE_LEAVES = replace(LOAD, leaving_fraction=0.0)


def entries(**changes: Any) -> list[Entry]:
    """Run a scenario and return everything the brain was told and answered."""
    noted: list[Entry] = []
    run(scenario(**changes), 1, sinks=[noted.append])
    return noted


def test_every_request_is_accounted_for_and_every_law_holds() -> None:
    result = run(scenario(), 1).result

    assert (
        200
        == result["requests"]["submitted"]
        == sum(result["requests"][fate] for fate in ("completed", "refused", "failed", "timed_out", "cancelled"))
    )
    assert {True} == set(result["laws"].values())
    assert "modelled" == result["energy_j"]["method"]


def test_idle_joules_are_those_of_the_true_machines() -> None:
    exact = run(scenario(world=WorldSettings(prior_error=0.0)), 1).result
    erring = run(scenario(), 1).result

    def idle_w(result: dict[str, Any]) -> float:
        return float(result["energy_j"]["idle"] / result["makespan_s"])

    assert pytest.approx(20.0, rel=0.01) == idle_w(exact)
    assert pytest.approx(20.0, rel=0.01) != idle_w(erring)


def test_the_brain_is_told_the_fleet_first_and_then_that_it_is_well() -> None:
    noted = entries()

    assert [EventKind.CONFIGURE, EventKind.OBSERVE, EventKind.OBSERVE] == [entry.kind for entry in noted[:3]]
    assert [0.0, 0.0, 0.0] == [entry.at_s for entry in noted[:3]]


def test_probes_come_at_their_interval_and_tell_of_outages() -> None:
    outage = Outage(server_id="edge", from_s=5.0, to_s=9.0)
    noted = entries(world=WorldSettings(probe_interval_s=3.0, trouble=Trouble(outages=(outage,))))
    told = [entry.value for entry in noted if isinstance(entry.value, Health) and entry.value.server_id == "edge"]

    assert [(0.0, True), (3.0, True), (6.0, False), (9.0, True), (12.0, True)] == [
        (fact.measured_at_s, fact.healthy) for fact in told[:5]
    ]


def test_what_an_outage_loses_is_tried_elsewhere() -> None:
    noted = entries(
        load=NO_ONE_LEAVES,
        world=WorldSettings(trouble=Trouble(outages=(Outage(server_id="edge", from_s=5.0, to_s=12.0),))),
    )
    failed = {
        entry.subject for entry in noted if isinstance(entry.value, Ending) and entry.value.kind is EndingKind.FAILED
    }
    second = {
        action.server_id
        for entry in noted
        for action in entry.actions
        if isinstance(action, Dispatch) and action.attempt_number == 2
    }

    assert failed
    assert {"cloud"} == second


def test_a_client_that_leaves_is_cancelled_at_that_instant_and_its_attempt_closed() -> None:
    noted = entries(load=replace(LOAD, leaving_fraction=1.0, leaving_after_s=0.2))
    left = [(number, entry) for number, entry in enumerate(noted) if entry.kind is EventKind.CANCEL and entry.actions]

    assert left
    for number, entry in left:
        closing = noted[number + 1]
        [action] = entry.actions
        assert isinstance(action, Cancel)
        assert isinstance(closing.value, Ending)
        assert (action.attempt_id, entry.at_s) == (closing.subject, closing.at_s)
        assert EndingKind.CANCELLED is closing.value.kind


def test_who_is_stopped_for_lateness_is_timed_out() -> None:
    hasty = altered(CHAT, requirement=Requirement(total_s=0.5), when_late=WhenLate.CANCEL)

    counts = run(scenario(services=(hasty,), load=NO_ONE_LEAVES), 1).counts

    assert counts.timed_out > 0
    assert 200 == counts.timed_out + counts.completed + counts.refused


def test_streams_tell_their_first_token_and_plain_requests_do_not() -> None:
    for fraction, expected in ((1.0, 200), (0.0, 0)):
        noted = entries(load=replace(NO_ONE_LEAVES, stream_fraction=fraction))

        assert expected == sum(getattr(entry.value, "stage", None) is Stage.FIRST_TOKEN for entry in noted)


def test_progress_is_told_request_by_request() -> None:
    told: list[int] = []

    run(scenario(requests=30), 1, progress=told.append)

    assert list(range(1, 31)) == told


def test_only_the_timing_depends_on_the_clock() -> None:
    ticks = count()
    timed = run(scenario(), 1, clock=lambda: next(ticks) * 1e-6).result
    untimed = run(scenario(), 1).result

    assert {"p50": pytest.approx(1.0), "p99": pytest.approx(1.0)} == timed["timing"]["decision_us"]
    assert {**timed, "timing": {}} == untimed


def test_an_unknown_policy_is_the_users_mistake() -> None:
    with pytest.raises(ConfigError, match="there is no policy called 'best'"):
        run(scenario(policy="best"), 1)


def test_a_policy_that_pushes_holds_what_finds_no_room_once_it_is_told_to() -> None:
    pushed, held = (
        run(scenario(servers=(altered(SERVER, slots=1),), policy=f"least-outstanding{way}"), 1).result
        for way in ("", "+hold")
    )

    assert ("least-outstanding+hold", True) == (held["policy"], held["settings"]["scheduler"]["hold"])
    assert pushed["energy_j"] != held["energy_j"]


class _Forgetful:
    """A brain that takes requests and never says another word."""

    wake_at_s = None

    def submit(self, request: Request, now_s: float) -> Actions:
        return ()

    def observe(self, fact: Fact, now_s: float) -> Actions:
        return ()


def test_a_request_that_would_never_end_is_a_bug_and_not_an_endless_run() -> None:
    traffic = scenario(requests=3, load=NO_ONE_LEAVES)
    world = World(traffic.servers, traffic.world, 1)
    simulator = Simulator(
        brain=Recording(cast("Port", _Forgetful()), ()),
        world=world,
        arrivals=jobs(traffic, 1),
        probes=Probes(world, traffic.world),
    )

    with pytest.raises(InvariantError, match="3 requests wait"):
        simulator.run()


def test_the_rows_of_a_series_add_up_to_what_resting_machines_really_drew() -> None:
    asleep = Rest(after_s=2.0, watts=1.0, wake_s=1.0, wake_j=5.0)
    servers = tuple(altered(server, rests=(asleep,)) for server in (SERVER, CLOUD))
    traffic = scenario(requests=40, rate_per_s=0.2, servers=servers)
    rows: list[IntervalRow] = []
    series = Series(7.0, rows.append)

    result = run(traffic, 1, accounts=[series]).result
    series.close()

    assert pytest.approx(result["energy_j"]["idle"], rel=1e-9) == sum(row.energy_j.idle for row in rows)
    always_on_j = sum(server.power.idle_w for server in servers) * result["makespan_s"] * 0.8
    assert result["energy_j"]["idle"] < always_on_j


@pytest.mark.parametrize("policy", ["round-robin", "least-outstanding", "cs-ucb"])
@pytest.mark.parametrize("batching", Batching)
def test_every_law_holds_where_everything_goes_wrong(policy: str, batching: Batching) -> None:
    trouble = Trouble(
        outages=(
            Outage(server_id="edge", from_s=5.0, to_s=9.0),
            Outage(server_id="cloud", from_s=12.0, to_s=20.0, kind=OutageKind.VANISHES),
        ),
        slowdowns=(Slowdown(server_id="edge", from_s=3.0, to_s=25.0, factor=2.5),),
        drifts=(Drift(server_id="cloud", factor_per_hour=50.0, limit=1.5),),
        tenants=(Tenant(server_id="edge", rate_per_s=1.0, prompt_tokens=200, output_tokens=40),),
        lies=(Lie(server_id="cloud", from_s=22.0, to_s=30.0, healthy=False),),
        telemetry_delay_s=1.5,
    )
    network = Network(
        change=Fluctuation(spread=0.3),
        sites=(Site(name="house", servers=("edge", "cloud"), up_bytes_per_s=1e5, down_bytes_per_s=4e4),),
        outages=(LinkOutage(place="edge", from_s=14.0, to_s=16.0),),
    )
    rests = (Rest(after_s=1.0, watts=2.0, wake_s=0.5, wake_j=9.0),)
    servers = tuple(
        altered(server, batching=batching, step_tokens=256, kv_tokens=900, rests=rests, caches_prefixes=True)
        for server in scenario().servers
    )
    traffic = scenario(
        servers=servers,
        services=(altered(CHAT, timeout_s=15.0),),
        policy=policy,
        world=WorldSettings(probe_interval_s=1.0, trouble=trouble, network=network),
    )

    result = run(traffic, 1).result

    assert {True} == set(result["laws"].values())
    assert 200 == sum(result["requests"][fate] for fate in ("completed", "refused", "failed", "timed_out", "cancelled"))
    assert result == run(traffic, 1).result
