"""Who is on standby serves only what nobody awake can."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from perllm.domain.reason import Violation
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.judging import Judgement
from perllm.scheduling.records import arrived
from perllm.scheduling.standby import prefer_awake
from tests.unit.scheduling.builders import CHAT, request
from tests.unit.scheduling.plans import fleet, need

NO_SLOT, TOO_SLOW, ON_STANDBY = Violation.NO_SLOT, Violation.TOO_SLOW, Violation.ON_STANDBY


def judged(
    violations: Sequence[Violation | None],
    probability: tuple[float, float] = (0.99, 0.99),
    *,
    asleep: bool = True,
    hold_until_s: float | None = None,
) -> Judgement:
    """Return what becomes of a judgement of two servers, the second of them on standby."""
    states = fleet("awake", "standby")
    states[1].standby = True
    states[1].ready_in_s = 15.0 if asleep else 0.0
    times = (1.0, 1.0)
    feasible = [row for row in (0, 1) if violations[row] is None]
    candidates = Candidates(times, times, times, probability, (5.0, 5.0), [0, 0], list(violations), feasible)
    roomy = [row for row in (0, 1) if violations[row] is not NO_SLOT]
    full = [row for row in (0, 1) if violations[row] is NO_SLOT]
    record = arrived(request(hold_until_s=hold_until_s), CHAT, 1, 0.0)
    return prefer_awake(Judgement(record, need(), candidates, roomy, full, 0.0), states, (0, 1), 0.95)


@pytest.mark.parametrize("standby", [None, TOO_SLOW, Violation.FIRST_TOKEN_TOO_SLOW])
def test_where_somebody_awake_can_serve_who_is_on_standby_is_no_candidate(standby: Violation | None) -> None:
    case = judged([None, standby])

    assert ([0], [0]) == (case.candidates.feasible, case.roomy)
    assert [None, ON_STANDBY] == case.candidates.violations


def test_a_reason_that_waking_would_not_lift_is_still_told() -> None:
    assert [None, NO_SLOT] == judged([None, NO_SLOT]).candidates.violations


def test_who_is_full_but_surely_in_time_is_waited_for() -> None:
    case = judged([NO_SLOT, None])

    assert ([], [], [0]) == (case.candidates.feasible, case.roomy, case.full)


def test_who_cannot_wait_goes_to_whoever_is_on_standby() -> None:
    assert [1] == judged([NO_SLOT, None], hold_until_s=0.0).candidates.feasible


def test_who_is_full_and_would_be_late_is_not_waited_for() -> None:
    assert [1] == judged([NO_SLOT, None], (0.9, 0.99)).candidates.feasible


def test_where_nobody_awake_is_in_time_waking_is_on_the_bill() -> None:
    case = judged([TOO_SLOW, None], (0.5, 0.99))

    assert [1] == case.candidates.feasible
    assert [5.0, 5.0 + 510.0 + 15.0 * 14.0] == case.candidates.energy_j


def test_who_is_on_standby_but_awake_still_costs_nothing_more() -> None:
    assert [5.0, 5.0] == judged([TOO_SLOW, None], (0.5, 0.99), asleep=False).candidates.energy_j


def test_without_anybody_on_standby_nothing_changes() -> None:
    states = fleet("one", "two")
    case = judged([None, TOO_SLOW])

    assert prefer_awake(case, states, (0, 1), 0.95) is case
