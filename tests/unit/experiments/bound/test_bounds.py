"""What the bounds say of cases that can be worked out: one request alone, attainment, idle, clients that leave."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from perllm.accounting import IdleAccounting
from perllm.domain.profile import Rest
from perllm.errors import ConfigError
from perllm.experiments.bound.grid import idle_of
from perllm.experiments.bound.plan import Send, play
from tests.unit.experiments.bound.instances import EXACT, LOAD, lower_j, tiny
from tests.unit.simulation.machines import SERVER


def test_of_one_request_alone_the_program_knows_the_joules() -> None:
    instance = tiny(1, 4, world=EXACT)
    alone = min(energy_of(play(instance, {0: Send(machine, instance.arrivals[0][0])})) for machine in range(2))

    fluid_j, priced_j = lower_j(instance)

    # Reading is bounded on a grid.
    assert fluid_j == pytest.approx(alone, rel=5e-3)
    assert priced_j == pytest.approx(alone, rel=0.02)


def test_the_fewer_must_be_in_time_the_fewer_joules_do() -> None:
    instance = tiny(8, 1)

    fluid = [lower_j(instance, attainment)[0] for attainment in (0.25, 0.5, 0.75, 1.0)]
    priced = [lower_j(instance, attainment)[1] for attainment in (0.25, 0.5, 0.75, 1.0)]

    assert fluid == sorted(fluid)
    assert fluid[0] < 0.5 * fluid[-1]
    assert priced == sorted(priced)


def test_machines_that_never_rest_idle_until_the_last_request_has_come() -> None:
    instance = tiny(5, 1, world=EXACT)
    watts = sum(machine.server.power.idle_w for machine in instance.machines)

    assert idle_of(instance, counted=True).constant_j == pytest.approx(watts * instance.last_arrival_s)
    assert idle_of(instance, counted=False).constant_j == 0.0


@pytest.mark.parametrize(("rule", "resting_w"), [(IdleAccounting.ALL, 2.0), (IdleAccounting.POWERED, 0.0)])
def test_machines_that_may_rest_draw_idle_power_while_they_work_alone(rule: IdleAccounting, resting_w: float) -> None:
    rested = structs.replace(SERVER, rests=(Rest(after_s=1.0, watts=2.0, wake_s=1.0),))
    instance = tiny(5, 1, world=replace(EXACT, idle=rule))
    machine = replace(instance.machines[0], server=rested)

    idle = idle_of(replace(instance, machines=(machine,)), counted=True)

    assert idle.constant_j == pytest.approx(resting_w * instance.last_arrival_s)
    assert idle.working_w == (SERVER.power.idle_w - resting_w,)


def test_an_attainment_beyond_what_could_be_in_time_is_refused() -> None:
    hasty = tiny(8, 1, total_s=0.25)

    assert 0.0 < hasty.reachable() < 1.0
    with pytest.raises(ConfigError, match="could be, each alone"):
        hasty.check(1.0)


def test_a_client_that_would_leave_uncounted_counts_less_when_it_is_served() -> None:
    instance = tiny(8, 1)
    leaving = replace(instance, leavers=frozenset({0, 1}))

    assert 8 == instance.needed(1.0)
    assert 3.0 == leaving.needed(0.5)
    assert (0.5, 1.0) == (leaving.weight(0, 0.5), leaving.weight(2, 0.5))
    assert LOAD.leaving_fraction == 0.0


def energy_of(result: dict[str, dict[str, float]]) -> float:
    return result["energy_j"]["transmit"] + result["energy_j"]["infer"]
