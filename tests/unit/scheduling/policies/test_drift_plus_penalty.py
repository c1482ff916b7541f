"""Drift plus penalty against rounds worked by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.domain.request import Requirement
from perllm.scheduling.policies.drift_plus_penalty import DriftPlusPenalty
from tests.unit.scheduling.builders import CHAT, request
from tests.unit.scheduling.policies.candidates import candidates
from tests.unit.scheduling.policies.outcomes import IN_TIME, late

# A cheap server with two requests on each of its two slots, and a dear one that is idle.
COLUMNS = replace(candidates([10.0, 100.0], total_s=[3.0, 2.0], outstanding=[4, 0]), in_time_probability=[0.6, 1.0])


def policy_of(**settings: float) -> DriftPlusPenalty:
    policy = DriftPlusPenalty(**settings)
    policy.meet([replace(CHAT, attainment=0.9)])
    return policy


def test_joules_and_waiting_work_add_up() -> None:
    """0.01 * 10 J + 4 / 2 unfinished per slot * 3 s, against 0.01 * 100 J."""
    scores = policy_of().score(request(), COLUMNS, 0.0)

    assert [-0.1 - 6.0, -1.0] == [pytest.approx(score) for score in scores]


def test_v_decides_between_joules_and_work() -> None:
    cheap, dear = policy_of(v=0.1).score(request(), COLUMNS, 0.0)

    assert dear < cheap


def test_lateness_that_was_run_up_weighs_on_servers_that_may_be_late() -> None:
    """One answer after 10 of 5 s: 2 less the allowed 0.1; expected there: 0.4 of 3 / 5 of a requirement."""
    policy = policy_of()
    policy.ended(late(10.0))

    scores = policy.score(request(), COLUMNS, 0.0)

    assert [-6.1 - 1.9 * 0.4 * 3.0 / 5.0, -1.0] == [pytest.approx(score) for score in scores]


def test_answers_in_time_pay_lateness_off_but_never_ahead() -> None:
    paid, fresh = policy_of(), policy_of()
    paid.ended(late(10.0))
    for _ in range(30):
        paid.ended(IN_TIME)
        fresh.ended(IN_TIME)

    assert policy_of().score(request(), COLUMNS, 0.0) == paid.score(request(), COLUMNS, 0.0)
    assert policy_of().score(request(), COLUMNS, 0.0) == fresh.score(request(), COLUMNS, 0.0)


def test_lateness_is_bounded() -> None:
    policy = policy_of(most_lateness=1.0)
    policy.ended(late(500.0))

    assert pytest.approx(-6.1 - 1.0 * 0.4 * 3.0 / 5.0) == policy.score(request(), COLUMNS, 0.0)[0]


def test_requests_without_a_requirement_are_never_late() -> None:
    policy, free = policy_of(), Requirement()
    policy.ended(late(500.0, requirement=free))

    assert policy_of().score(request(), COLUMNS, 0.0) == policy.score(request(requirement=free), COLUMNS, 0.0)


def test_lateness_survives_a_restart() -> None:
    policy, heir = policy_of(), policy_of()
    policy.ended(late(10.0))
    heir.absorb(policy.snapshot())

    assert policy.score(request(), COLUMNS, 0.0) == heir.score(request(), COLUMNS, 0.0)
