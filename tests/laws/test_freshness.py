"""Law 6: nothing is known before it could have been told, and whatever is told says how old it is."""

from __future__ import annotations

from dataclasses import replace as changed
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from perllm.domain.action import Dispatch, Refuse
from perllm.domain.entry import Entry
from perllm.domain.telemetry import Health
from perllm.scheduling.policies import REGISTRY
from perllm.simulation.scenario import Scenario, WorldSettings
from perllm.simulation.simulator import run
from perllm.simulation.trouble import Lie, Outage, OutageKind, Trouble
from tests.unit.simulation.machines import CLOUD, LOAD, SERVER, scenario

# So much room that no decision depends on what is over by then.
ROOMY = tuple(replace(server, slots=1000, kv_tokens=10_000_000) for server in (SERVER, CLOUD))
NOBODY_LEAVES = changed(LOAD, leaving_fraction=0.0)
DELAYS = st.floats(0.0, 12.0)
INTERVALS = st.floats(0.3, 6.0)
INSTANTS = st.floats(0.05, 20.0)


def of_probes(interval_s: float, delay_s: float, **trouble: object) -> WorldSettings:
    return WorldSettings(
        probe_interval_s=interval_s,
        trouble=Trouble(telemetry_delay_s=delay_s, **trouble),  # type: ignore[arg-type]
    )


def entries_of(traffic: Scenario) -> list[Entry]:
    noted: list[Entry] = []
    run(traffic, 3, sinks=[noted.append])
    return noted


def decisions(entries: list[Entry], before_s: float) -> list[tuple[float, str, object]]:
    return [
        (entry.at_s, action.request_id, action.server_id if isinstance(action, Dispatch) else action.reason)
        for entry in entries
        if entry.at_s < before_s
        for action in entry.actions
        if isinstance(action, Dispatch | Refuse)
    ]


@settings(max_examples=40)
@given(INTERVALS, DELAYS, INSTANTS, st.sampled_from(sorted(REGISTRY)), st.sampled_from(OutageKind))
def test_what_a_probe_told_was_true_when_it_was_measured_and_is_as_old_as_the_delay(
    interval_s: float, delay_s: float, fails_at_s: float, policy: str, kind: OutageKind
) -> None:
    outage = Outage(server_id="edge", from_s=fails_at_s, to_s=fails_at_s + 7.0, kind=kind)
    world = of_probes(interval_s, delay_s, outages=(outage,))
    told = [
        (entry.at_s, entry.value)
        for entry in entries_of(scenario(requests=60, policy=policy, world=world, load=NOBODY_LEAVES))
        if isinstance(entry.value, Health)
    ]

    assert all(abs(at_s - fact.measured_at_s - delay_s) < 1e-9 for at_s, fact in told)
    for _, fact in told:
        out = fact.server_id == "edge" and outage.from_s <= fact.measured_at_s < outage.to_s
        assert fact.healthy is not out


@settings(max_examples=40)
@given(INTERVALS, DELAYS, INSTANTS)
def test_no_decision_heeds_a_failure_before_it_was_measured_and_told(
    interval_s: float, delay_s: float, fails_at_s: float
) -> None:
    # It never comes back, and tells nothing by itself.
    outage = Outage(server_id="edge", from_s=fails_at_s, to_s=1e6, kind=OutageKind.VANISHES)
    told_at_s = ceil(fails_at_s / interval_s) * interval_s + delay_s
    plain = scenario(requests=250, servers=ROOMY, load=NOBODY_LEAVES, world=of_probes(interval_s, delay_s))
    well = entries_of(plain)
    failing = entries_of(changed(plain, world=of_probes(interval_s, delay_s, outages=(outage,))))

    assert decisions(well, told_at_s - 1e-9) == decisions(failing, told_at_s - 1e-9)
    # One miss may be an accident; the second is believed.
    later = [choice for at_s, _, choice in decisions(failing, 1e6) if at_s > told_at_s + interval_s]
    assert "edge" not in later


@settings(max_examples=20)
@given(INTERVALS, DELAYS, st.floats(2.0, 10.0), st.floats(3.0, 5.0))
def test_a_lie_is_believed_from_when_it_is_told_twice_until_the_truth_is_told(
    interval_s: float, delay_s: float, lies_from_s: float, for_intervals: float
) -> None:
    lie = Lie(server_id="edge", from_s=lies_from_s, to_s=lies_from_s + for_intervals * interval_s, healthy=False)
    shunned_from_s = (ceil(lie.from_s / interval_s) + 1) * interval_s + delay_s
    shunned_to_s = ceil(lie.to_s / interval_s) * interval_s + delay_s
    world = of_probes(interval_s, delay_s, lies=(lie,))
    noted = entries_of(scenario(requests=400, servers=ROOMY, load=NOBODY_LEAVES, world=world))

    to_edge_at_s = [at_s for at_s, _, choice in decisions(noted, 1e6) if choice == "edge"]
    assert not [at_s for at_s in to_edge_at_s if shunned_from_s < at_s < shunned_to_s]
    assert [at_s for at_s in to_edge_at_s if at_s < shunned_from_s]
    assert [at_s for at_s in to_edge_at_s if at_s > shunned_to_s]
