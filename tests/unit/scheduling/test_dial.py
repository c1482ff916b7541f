"""How sure plans must be, learned from what came of them."""

from __future__ import annotations

import pytest

from perllm.scheduling.dial import Dial, shifted


def test_at_first_a_plan_asks_for_what_the_service_asks_for() -> None:
    assert 0.97 == pytest.approx(Dial().asked(0.97))


def test_late_answers_make_plans_more_careful_and_a_surplus_makes_them_bolder() -> None:
    careful, bold = Dial(), Dial()
    careful.learn(False, 0.9)
    for _ in range(30):
        bold.learn(True, 0.9)

    assert bold.asked(0.9) < 0.9 < careful.asked(0.9)


def test_half_as_many_misses_as_are_allowed_leave_it_where_it_is() -> None:
    dial = Dial()
    for number in range(200):
        dial.learn(number % 20 != 10, 0.9)

    assert 0.0 == pytest.approx(dial.shift, abs=0.3)


def test_it_is_bounded_so_that_a_long_calm_is_unlearned_soon() -> None:
    dial = Dial()
    for _ in range(10_000):
        dial.learn(True, 0.97)

    assert 0.8 < dial.asked(0.97) < 0.97
    for _ in range(6):
        dial.learn(False, 0.97)
    assert dial.asked(0.97) > 0.97


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_what_is_certain_stays_so(certain: float) -> None:
    assert certain == shifted(certain, -3.0)
