"""The pipes of a fleet: each server's own, and those of the sites they stand in."""

from __future__ import annotations

from msgspec.structs import replace

from perllm.domain.server import Link
from perllm.simulation.bandwidth import Chain, Fluctuation, Network, Record, Site, ways_of
from perllm.simulation.link import Way
from perllm.simulation.trouble import LinkOutage
from tests.unit.simulation.machines import SERVER, exactly

LINK = Link(rtt_s=0.0, up_bytes_per_s=1000.0, down_bytes_per_s=1000.0)
FLEET = tuple(replace(SERVER, server_id=name, link=LINK) for name in ("a", "b", "c"))
SHARED = Site(name="house", servers=("a", "b"), up_bytes_per_s=500.0, down_bytes_per_s=2000.0)


def up_s(way: Way, at_s: float = 0.0, count_bytes: float = 1000.0) -> float:
    return way.arrives_at_s(at_s, count_bytes, 1.0) - at_s


def test_servers_of_a_site_wait_for_one_another_and_others_do_not() -> None:
    ways = ways_of(FLEET, Network(sites=(SHARED,)), 1)

    # Two seconds each on the uplink; c has its own link alone.
    assert [exactly(2.0), exactly(4.0), exactly(1.0)] == [up_s(ways[name]) for name in "abc"]
    # Down it is each server's own link that is narrow; of two seconds on it the uplink takes one.
    assert [exactly(1.0), exactly(1.0)] == [ways[name].drained_at_s(0.0, 0.0, 1000, 1000, 1.0) for name in "ab"]


def test_without_a_site_nobody_waits_for_another() -> None:
    ways = ways_of(FLEET, Network(), 1)

    assert [exactly(1.0)] * 3 == [up_s(ways[name]) for name in "abc"]


def test_an_outage_of_a_link_is_of_that_server_alone() -> None:
    outage = LinkOutage(place="a", from_s=0.5, to_s=10.0)
    ways = ways_of(FLEET, Network(sites=(SHARED,), outages=(outage,)), 1)

    assert exactly(10.5) == up_s(ways["a"])
    # b stands behind a on the uplink, which is not down.
    assert exactly(4.0) == up_s(ways["b"])


def test_an_outage_of_a_site_is_of_all_its_servers() -> None:
    outage = LinkOutage(place="house", from_s=0.5, to_s=10.0)
    ways = ways_of(FLEET, Network(sites=(SHARED,), outages=(outage,)), 1)

    assert [exactly(11.5), exactly(13.5), exactly(1.0)] == [up_s(ways[name]) for name in "abc"]


def test_the_weather_is_each_places_own_and_the_seeds() -> None:
    network = Network(change=Fluctuation(spread=0.5))
    times = {seed: [up_s(ways_of(FLEET, network, seed)[name], 7.0, 100) for name in "abc"] for seed in (1, 2)}

    assert 6 == len({time for found in times.values() for time in found})
    assert times[1] == [up_s(ways_of(FLEET, network, 1)[name], 7.0, 100) for name in "abc"]


def test_a_places_weather_does_not_depend_on_who_else_is_there() -> None:
    network = Network(change=Fluctuation(spread=0.5))

    assert up_s(ways_of(FLEET, network, 1)["c"]) == up_s(ways_of(FLEET[2:], network, 1)["c"])


def test_only_the_places_that_are_named_change() -> None:
    ways = ways_of(FLEET, Network(change=Record(rows=((0.0, 0.5),)), varying=("a",)), 1)

    assert [exactly(2.0), exactly(1.0), exactly(1.0)] == [up_s(ways[name]) for name in "abc"]


def test_a_site_may_change_while_its_servers_links_do_not() -> None:
    ways = ways_of(FLEET, Network(change=Record(rows=((0.0, 0.5),)), varying=("house",), sites=(SHARED,)), 1)

    assert [exactly(4.0), exactly(1.0)] == [up_s(ways[name]) for name in "ac"]


def test_up_and_down_have_the_same_weather() -> None:
    way = ways_of(FLEET, Network(change=Chain(levels=(1.0, 0.1), stays_s=(1.0, 1.0))), 1)["a"]

    assert [exactly(way.returns_at_s(at_s, 100, 1.0)) for at_s in (0.0, 5.0, 9.0)] == [
        way.arrives_at_s(at_s, 100, 1.0) for at_s in (0.0, 5.0, 9.0)
    ]
