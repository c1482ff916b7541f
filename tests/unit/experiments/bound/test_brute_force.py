"""The bounds against every schedule of tiny problems: who is sent where, and how late."""

from __future__ import annotations

from itertools import product

import pytest

from perllm.experiments.bound.bench import Bench, Sent
from perllm.experiments.bound.instance import Instance
from perllm.experiments.bound.plan import Send, play
from perllm.experiments.bound.search import Search
from perllm.simulation.streams import stream
from tests.unit.experiments.bound.instances import EXACT, lower_j, tiny

DELAYS_S = (0.0, 0.2, 0.5)
Served = dict[frozenset[int], tuple[float, dict[int, Send]]]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("attainment", [0.6, 1.0])
@pytest.mark.parametrize("noisy", [False, True])
def test_no_schedule_at_all_falls_below_the_bound(seed: int, attainment: float, noisy: bool) -> None:
    instance = tiny(5, seed) if noisy else tiny(5, seed, world=EXACT)
    least_j, plan = cheapest(instance, attainment)

    fluid_j, priced_j = lower_j(instance, attainment)

    assert fluid_j <= least_j * (1 + 1e-6)
    assert priced_j <= fluid_j * (1 + 1e-6)
    # Far from nothing: else a bound of zero would pass.
    assert fluid_j >= 0.5 * least_j
    assert priced_j >= 0.4 * least_j
    assert joules_of(play(instance, plan)) == pytest.approx(least_j)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_search_finds_what_trying_everything_finds_or_better(seed: int) -> None:
    instance = tiny(5, seed)
    least_j, _ = cheapest(instance, 1.0)
    search = Search(instance, 1.0, {}, stream(seed, "search"))

    search.run(3000)

    assert search.best is not None
    assert search.best.joules <= least_j * 1.01
    assert joules_of(play(instance, search.best.plan)) == pytest.approx(search.best.joules)


def cheapest(instance: Instance, attainment: float) -> tuple[float, dict[int, Send]]:
    """Try everything: servers do not disturb one another, so each is tried alone, and what they serve put together."""
    edge, cloud = (everything(instance, number) for number in range(2))
    needed = instance.needed(attainment)
    return min(
        (
            (one_j + other_j, {**one, **other})
            for served, (one_j, one) in edge.items()
            for also, (other_j, other) in cloud.items()
            if not served & also and len(served) + len(also) >= needed
        ),
        key=lambda each: each[0],
    )


def everything(instance: Instance, machine: int) -> Served:
    """Return the cheapest way of one server to serve each set of requests in time."""
    bench, best = Bench(instance), Served()
    for delays_s in product((None, *DELAYS_S), repeat=len(instance.arrivals)):
        sends = sorted(
            Sent(at_s + delay_s, row)
            for row, ((at_s, _), delay_s) in enumerate(zip(instance.arrivals, delays_s, strict=True))
            if delay_s is not None
        )
        spells = bench.play(machine, sends)
        served = frozenset().union(*(spell.in_time for spell in spells))
        joules = sum(spell.joules for spell in spells)
        if served not in best or joules < best[served][0]:
            best[served] = joules, {sent.job: Send(machine, sent.at_s) for sent in sends}
    return best


def joules_of(result: dict[str, dict[str, float]]) -> float:
    return result["energy_j"]["transmit"] + result["energy_j"]["infer"]
