"""Which servers are needed: as few watts as carry what comes, in time."""

from __future__ import annotations

from math import inf

import pytest
from msgspec.structs import replace

from perllm.domain.profile import PowerProfile, Rest
from perllm.scheduling.burden import Demand
from perllm.scheduling.power import Planner, break_even_s, saved_w
from tests.unit.scheduling.plans import DOZER, SLEEP, demand, fleet, states

ALL = (0, 1, 2)


def needed(*demands: Demand, awake: tuple[int, ...] = ALL, asleep: tuple[int, ...] = ()) -> frozenset[int]:
    return Planner(fleet("one", "two", "three"), demands).needed(awake, asleep)


def test_for_little_one_of_three_is_enough() -> None:
    assert frozenset({0}) == needed(demand(0.1, ALL))


def test_the_more_comes_the_more_are_needed() -> None:
    assert [1, 2, 3] == [len(needed(demand(rate_per_s, ALL))) for rate_per_s in (0.3, 2.0, 4.0)]


def test_who_sleeps_stays_asleep_until_it_is_needed() -> None:
    assert frozenset({0}) == needed(demand(0.3, ALL), awake=(0,), asleep=(1, 2))
    assert frozenset({0, 1}) == needed(demand(2.0, ALL), awake=(0,), asleep=(1, 2))


def test_between_letting_go_and_waking_lies_a_margin() -> None:
    """There are rates at which two that are awake stay awake, and one that is awake stays alone."""
    rates = [0.05 * step for step in range(20, 50)]
    between = [
        rate
        for rate in rates
        if {0, 1} == needed(demand(rate, ALL), awake=(0, 1))
        and {0} == needed(demand(rate, ALL), awake=(0,), asleep=(1,))
    ]

    assert max(between) > 1.1 * min(between)


def test_the_only_one_that_a_service_may_go_to_is_needed_whether_anything_comes_or_not() -> None:
    assert frozenset({2}) == needed(demand(0.1, ALL), demand(0.0, (2,)))
    assert frozenset({1, 2}) == needed(demand(0.1, (0, 1)), demand(0.0, (2,)), demand(0.0, (1,)))


def test_the_only_one_that_is_fast_enough_is_needed() -> None:
    slow = replace(DOZER, server_id="slow", speed=replace(DOZER.speed, weights_read_s=0.2))
    cheap = replace(DOZER.power, idle_w=5.0, decode_w=6.0, decode_full_w=6.0, prefill_w=6.0)
    planner = Planner(states(replace(slow, power=cheap), DOZER), [demand(0.0, (0, 1)), demand(0.01, (0, 1))])

    assert frozenset({1}) == planner.needed((0, 1), ())


def test_a_requirement_with_time_to_wake_lets_the_only_one_sleep() -> None:
    assert frozenset({0}) == needed(demand(0.1, ALL), demand(0.0, (2,), budget_s=30.0))
    assert frozenset({0}) == needed(demand(0.1, ALL), demand(0.001, (2,), budget_s=30.0))


def test_but_not_if_it_were_woken_again_and_again() -> None:
    assert frozenset({2}) == needed(demand(0.1, ALL), demand(0.02, (2,), budget_s=30.0))


def test_where_nothing_is_enough_everybody_who_helps_is_needed() -> None:
    assert frozenset(ALL) == needed(demand(50.0, ALL), awake=(0,), asleep=(1, 2))


def test_who_is_no_help_to_a_service_that_nobody_serves_well_may_sleep() -> None:
    slow = replace(DOZER, server_id="slow", speed=replace(DOZER.speed, weights_read_s=0.2))
    always = replace(DOZER, server_id="always", rests=())
    planner = Planner(states(slow, replace(always, slots=8)), [demand(1.6, (0, 1), budget_s=1.8)])

    assert planner.watts([0, 1]) is None
    assert frozenset({1}) == planner.needed((0, 1), ())


def test_who_cannot_sleep_is_never_let_go() -> None:
    planner = Planner(fleet("one", "two", server=replace(DOZER, rests=())), [demand(0.1, (0, 1))])

    assert frozenset({0, 1}) == planner.needed((0, 1), ())


def test_of_two_that_can_do_it_the_one_that_draws_less_stays() -> None:
    power = PowerProfile(idle_w=90.0, prefill_w=99.0, decode_w=99.0, decode_full_w=99.0)
    thirsty = replace(DOZER, server_id="thirsty", power=power)
    demands = [demand(0.1, (0, 1))]

    assert frozenset({1}) == Planner(states(thirsty, DOZER), demands).needed((0, 1), ())
    assert frozenset({0}) == Planner(states(DOZER, thirsty), demands).needed((0, 1), ())


def test_large_demands_are_dealt_out_over_many() -> None:
    names = [f"edge-{number}" for number in range(12)]
    rows = tuple(range(12))

    assert Planner(fleet(*names), [demand(8.0, rows)]).watts(rows) is not None
    assert Planner(fleet(*names), [demand(8.0, rows)]).watts(rows[:4]) is None


def test_waking_pays_once_its_joules_are_saved() -> None:
    (state,) = fleet("edge")

    assert 12.0 == saved_w(state)
    assert (510.0 + 15.0 * 14.0) / 12.0 == pytest.approx(break_even_s(state))


@pytest.mark.parametrize("rests", [(), (replace(SLEEP, on_command=False, after_s=5.0),), (replace(SLEEP, watts=20.0),)])
def test_who_obeys_no_command_or_saves_nothing_never_pays(rests: tuple[Rest, ...]) -> None:
    (state,) = states(replace(DOZER, rests=rests))

    assert inf == break_even_s(state)
