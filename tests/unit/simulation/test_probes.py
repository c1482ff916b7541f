"""What probes find, when they tell it, and what they get wrong."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.profile import Rest
from perllm.domain.telemetry import Health
from perllm.simulation.probes import Probes
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.trouble import Lie, Outage, OutageKind, Trouble
from perllm.simulation.world import World
from tests.unit.simulation.machines import AT_HAND, CLOUD, SERVER, job

OUT = Outage(server_id="edge", from_s=4.0, to_s=9.0)


def told(trouble: Trouble, until_s: float, interval_s: float = 3.0) -> list[tuple[float, Health]]:
    """Return everything that is told by then, and when."""
    settings = WorldSettings(prior_error=0.0, probe_interval_s=interval_s, trouble=trouble)
    probes = Probes(World((SERVER, CLOUD), settings, 1), settings)
    heard = []
    while (now_s := probes.next_at_s) <= until_s:
        heard += [(now_s, fact) for fact in probes.due(now_s)]
    return heard


def of_edge(heard: list[tuple[float, Health]]) -> list[tuple[float, float, bool]]:
    return [(at_s, fact.measured_at_s, fact.healthy) for at_s, fact in heard if fact.server_id == "edge"]


def test_every_server_is_probed_at_the_interval_and_told_of_at_once() -> None:
    heard = told(Trouble(outages=(OUT,)), 12.0)

    assert [(0.0, 0.0, True), (3.0, 3.0, True), (6.0, 6.0, False), (9.0, 9.0, True), (12.0, 12.0, True)] == of_edge(
        heard
    )
    assert ["edge", "cloud"] * 5 == [fact.server_id for _, fact in heard]


def test_what_was_found_is_told_late_and_says_how_old_it_is() -> None:
    heard = told(Trouble(outages=(OUT,), telemetry_delay_s=2.0), 12.0)

    assert [(2.0, 0.0, True), (5.0, 3.0, True), (8.0, 6.0, False), (11.0, 9.0, True)] == of_edge(heard)


def test_several_findings_may_be_on_their_way_at_once() -> None:
    heard = told(Trouble(outages=(OUT,), telemetry_delay_s=7.0), 17.0)

    assert [(7.0, 0.0, True), (10.0, 3.0, True), (13.0, 6.0, False), (16.0, 9.0, True)] == of_edge(heard)


def test_what_is_told_is_what_was_true_when_it_was_looked_for() -> None:
    # It is out only between two probes.
    heard = told(Trouble(outages=(replace_outage(from_s=3.5, to_s=5.5),)), 12.0)

    assert all(healthy for _, _, healthy in of_edge(heard))


def test_a_probe_lies_while_it_is_said_to_whatever_is_true() -> None:
    well = Lie(server_id="edge", from_s=6.0, to_s=7.0, healthy=True)
    unwell = Lie(server_id="edge", from_s=12.0, to_s=15.0, healthy=False)
    heard = told(Trouble(outages=(OUT,), lies=(well, unwell)), 15.0)

    assert [True, True, True, True, False, True] == [healthy for _, _, healthy in of_edge(heard)]
    assert all(fact.healthy for _, fact in heard if fact.server_id == "cloud")


def test_a_server_that_vanished_answers_no_probe() -> None:
    heard = told(Trouble(outages=(replace_outage(kind=OutageKind.VANISHES),)), 6.0)

    assert (6.0, 6.0, False) == of_edge(heard)[-1]


def test_a_probe_finds_out_how_soon_the_server_could_begin() -> None:
    sleepy = replace(AT_HAND, rests=(Rest(after_s=4.0, watts=1.0, wake_s=9.0),))
    settings = WorldSettings(prior_error=0.0, probe_interval_s=3.0)
    world = World((sleepy,), settings, 1)
    probes = Probes(world, settings)
    world.send("edge", "a", job(prompt_tokens=99, output_tokens=1), 10.0)

    ready_in_s = []
    while (now_s := probes.next_at_s) <= 24.0:
        world.advance(now_s)
        ready_in_s += [fact.ready_in_s for fact in probes.due(now_s)]

    # Asleep from 4 on, waking from 10 to 19, at work until 19.1 and asleep again at 23.1.
    assert [0.0, 0.0, 9.0, 9.0, 7.0, 4.0, 1.0, 0.0, 9.0] == ready_in_s


def replace_outage(**changes: object) -> Outage:
    return Outage(**{"server_id": "edge", "from_s": 4.0, "to_s": 9.0, **changes})  # type: ignore[arg-type]
