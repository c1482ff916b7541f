"""Requests of somebody else: they take slots and time, and are nobody's business."""

from __future__ import annotations

from math import inf

import pytest
from msgspec.structs import replace

from perllm.domain.attempt import Ending
from perllm.simulation.engine import Engine
from perllm.simulation.job import Truth
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.trouble import Outage, OutageKind, Tenant, Trouble
from perllm.simulation.world import World
from tests.unit.simulation.machines import AT_HAND, CLOUD, SERVER, endings, exactly, instants, job, reports


@pytest.mark.parametrize("kind", OutageKind)
@pytest.mark.parametrize("prompt_tokens", [100.0, 5000.0])
def test_of_tenants_nothing_is_ever_told(kind: OutageKind, prompt_tokens: float) -> None:
    trouble = Trouble(
        tenants=(Tenant(server_id="edge", rate_per_s=20.0, prompt_tokens=prompt_tokens, output_tokens=20, to_s=10.0),),
        outages=(Outage(server_id="edge", from_s=2.0, to_s=4.0, kind=kind),),
    )
    world = World((SERVER,), WorldSettings(prior_error=0.0, trouble=trouble), 1)
    world.send("edge", "a", job(output_tokens=20), 4.5)

    known = []
    while (report := world.advance(1e6)) is not None:
        known.append(report.attempt_id)

    assert {"a"} == set(known)
    assert (0, inf) == (world.open_attempts, world.next_at_s)


def test_tenants_take_slots_and_time_but_their_joules_are_not_ours() -> None:
    engine = Engine(replace(AT_HAND, slots=1))
    engine.occupy("theirs", job(prompt_tokens=99, output_tokens=11), 0.0)
    engine.arrive("ours", job(prompt_tokens=99, output_tokens=11), 0.05)

    known = reports(engine)

    # Theirs takes 0.1 and ten steps of 0.021; ours waits for it.
    assert {"ours": exactly(0.62)} == instants(known, Ending)
    assert [exactly(40 * 0.1 + 20 * 0.21)] * 2 == [endings(known)["ours"].infer_j, engine.infer_j]


def test_what_is_drawn_together_is_shared_with_tenants() -> None:
    engine = Engine(AT_HAND)
    engine.occupy("theirs", job(prompt_tokens=99, output_tokens=500), 0.0)
    engine.arrive("ours", job(prompt_tokens=99, output_tokens=11), 0.101)
    known = reports(engine, until_s=1.0)
    before_j = engine.infer_j
    engine.evict_tenants(1.0)

    # Ours is read from 0.121 on, since theirs has just begun a step; then both write.
    ours_j = 40 * 0.1 + 30 * 0.21 / 2
    assert {"ours": exactly(0.221 + 0.21)} == instants(known, Ending)
    assert [exactly(ours_j)] * 2 == [endings(known)["ours"].infer_j, engine.infer_j]
    # Until then the meter cannot tell whose the joules of those inside are.
    assert before_j > ours_j
    assert [] == reports(engine)


def test_tenants_that_are_still_there_at_the_end_are_not_on_the_bill() -> None:
    trouble = Trouble(tenants=(Tenant(server_id="edge", rate_per_s=5.0, prompt_tokens=300, output_tokens=100),))
    world = World((SERVER, CLOUD), WorldSettings(prior_error=0.0, trouble=trouble), 1)
    for number in range(5):
        world.send("edge", f"a{number}", job(), 3.0 + number)
    charged_j = 0.0
    while world.open_attempts:
        report = world.advance(100.0)
        if report is not None and isinstance(report.event, Ending):
            charged_j += report.event.infer_j or 0.0
            over_at_s = report.at_s
    world.finish(over_at_s)

    assert {"edge": pytest.approx(charged_j, rel=1e-9), "cloud": 0.0} == world.joules()


def test_tenants_come_as_often_and_are_as_long_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, Truth]] = []
    monkeypatch.setattr(Engine, "occupy", lambda self, name, job, at_s: seen.append((at_s, job.truth)))
    tenant = Tenant(server_id="edge", rate_per_s=50.0, prompt_tokens=100, output_tokens=20, from_s=10.0, to_s=50.0)
    World((SERVER,), WorldSettings(trouble=Trouble(tenants=(tenant,))), 1).advance(1000.0)

    assert all(10.0 < at_s < 50.0 for at_s, _ in seen)
    # Two thousand are expected, give or take 45; their mean lengths by a forty-fifth.
    assert 2000 - 135 < len(seen) < 2000 + 135
    assert pytest.approx(100, rel=0.07) == sum(truth.prompt_tokens for _, truth in seen) / len(seen)
    assert pytest.approx(20, rel=0.07) == sum(truth.output_tokens for _, truth in seen) / len(seen)
