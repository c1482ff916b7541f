"""Laws of sleeping: nobody is put to sleep at work, no request is lost, no joule either, and needs come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from msgspec import structs

from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.domain.action import Action, Dispatch, Finish, PowerState, SetPower
from perllm.domain.entry import Entry
from perllm.domain.profile import Rest
from perllm.simulation.arrivals import Arrivals
from perllm.simulation.rates import Diurnal, RateShape
from perllm.simulation.scenario import Scenario
from perllm.simulation.simulator import run
from perllm.simulation.world import World
from tests.laws.test_brain import FLEET, Brain

SLEEP = Rest(watts=1.0, wake_s=3.0, wake_j=20.0, on_command=True)
SCENARIO = scenario_value(load_scenario(Path(__file__).parents[2] / "scenarios" / "sleeping-edges.yaml"))


class Sleepy(Brain):
    """The same, where every server obeys commands; and nothing may be open on one that is told to sleep."""

    fleet = tuple(structs.replace(server, rests=(SLEEP,)) for server in FLEET)
    sleeps = True

    @rule(seconds=st.floats(min_value=50.0, max_value=150.0))
    def wait_long(self, seconds: float) -> None:
        self.wait(seconds)

    def take(self, actions: Sequence[Action]) -> None:
        super().take(actions)
        for action in actions:
            if isinstance(action, SetPower) and action.state is PowerState.ASLEEP:
                assert action.server_id not in {dispatch.server_id for dispatch in self.open.values()}
                held = self.brain.reservations()[action.server_id]
                assert (0, 0.0) == (held.kv_tokens, held.bytes_per_s)


def test_nothing_is_reserved_on_whoever_is_told_to_sleep_and_no_request_is_lost() -> None:
    run_state_machine_as_test(Sleepy, settings=settings(max_examples=30, stateful_step_count=50, deadline=None))


def traffic(rate_per_s: float, requests: int, *, power: bool = True, arrivals: Arrivals | None = None) -> Scenario:
    workload = replace(
        SCENARIO.workload, rate_per_s=rate_per_s, requests=requests, arrivals=arrivals or SCENARIO.workload.arrivals
    )
    return replace(SCENARIO, workload=workload, scheduler=replace(SCENARIO.scheduler, power=power))


@cache
def played(rate_per_s: float, seed: int) -> tuple[dict[str, Any], tuple[Entry, ...]]:
    """Run until servers have slept; return the result and what was said."""
    said: list[Entry] = []
    result = run(traffic(rate_per_s, 1500), seed, sinks=[said.append]).result
    return result, tuple(said)


RUNS = pytest.mark.parametrize(("rate_per_s", "seed"), [(0.6, 1), (1.7, 2), (2.6, 3)])


def told(said: Sequence[Entry]) -> list[tuple[float, SetPower]]:
    return [(entry.at_s, action) for entry in said for action in entry.actions if isinstance(action, SetPower)]


@RUNS
def test_nothing_is_open_on_a_server_while_it_sleeps(rate_per_s: float, seed: int) -> None:
    asleep: set[str] = set()
    where: dict[str, str] = {}
    result, said = played(rate_per_s, seed)
    for entry in said:
        for action in entry.actions:
            if isinstance(action, SetPower):
                (asleep.add if action.state is PowerState.ASLEEP else asleep.discard)(action.server_id)
            elif isinstance(action, Dispatch):
                where[action.request_id] = action.server_id
            elif isinstance(action, Finish):
                where.pop(action.outcome.request_id, None)
        assert asleep.isdisjoint(where.values())
    assert 1500 == result["requests"]["completed"]


@RUNS
def test_the_joules_of_idling_follow_from_what_servers_were_told(rate_per_s: float, seed: int) -> None:
    result, said = played(rate_per_s, seed)
    assert told(said)
    ends_at_s = said[-1].at_s
    for server in World(SCENARIO.servers, SCENARIO.world, seed).servers:
        slept_s, wakings, since_s = 0.0, 0, None
        for at_s, command in told(said):
            if command.server_id == server.server_id:
                if command.state is PowerState.ASLEEP:
                    since_s = at_s
                elif since_s is not None:
                    slept_s, wakings, since_s = slept_s + at_s - since_s, wakings + 1, None
        slept_s += ends_at_s - since_s if since_s is not None else 0.0
        sleep = server.sleep or SLEEP
        expected_j = server.power.idle_w * (ends_at_s - slept_s) + sleep.watts * slept_s + sleep.wake_j * wakings
        assert expected_j == pytest.approx(result["servers"][server.server_id]["idle_j"])
    assert {True} == set(result["laws"].values())


def test_the_same_seed_gives_the_same_bytes_with_sleep_too() -> None:
    def bytes_of() -> bytes:
        said: list[Entry] = []
        ticks = count()
        run(traffic(1.0, 300), 1, sinks=[said.append], clock=lambda: float(next(ticks)))
        return msgspec.msgpack.encode(said, order="deterministic")

    assert bytes_of() == bytes_of()


def test_a_day_that_begins_is_met_by_servers_that_are_awake() -> None:
    """From next to nothing to more than the cloud can carry: sleepers are up before it is too much."""
    day = Arrivals(rate=RateShape(diurnal=Diurnal(depth=0.9, peak_at_s=900.0, period_s=1800.0)))
    awake, sleepy = (run(traffic(1.5, 2700, power=power, arrivals=day), 1).result for power in (False, True))

    assert sleepy["attainment"] > awake["attainment"] - 0.01
    assert sleepy["energy_j"]["idle"] < 0.75 * awake["energy_j"]["idle"]


@pytest.mark.parametrize("rate_per_s", [0.6, 1.65])
def test_a_steady_load_does_not_make_servers_come_and_go(rate_per_s: float) -> None:
    _, said = played(rate_per_s, 1)
    commands = told(said)

    # Five fall asleep. One that wakes for a burst and sleeps again would be two more.
    assert len(commands) <= 5 + 4
