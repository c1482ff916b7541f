"""The SLA queue against rounds worked by hand, and whether its dial is kept."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.scheduling.policies.sla_queue import SlaQueue
from tests.unit.scheduling.builders import CHAT, request
from tests.unit.scheduling.policies.candidates import candidates
from tests.unit.scheduling.policies.outcomes import IN_TIME, late

# A cheap server that may be late, and a dear one that will not.
COLUMNS = replace(candidates([10.0, 100.0]), in_time_probability=[0.6, 1.0])


def taught(*outcomes: bool, attainment: float = 0.9, **settings: float) -> SlaQueue:
    """Return a policy that has seen requests in time, or not."""
    policy = SlaQueue(v=0.02, **settings)
    policy.meet([replace(CHAT, attainment=attainment), replace(CHAT, name="other", attainment=attainment)])
    for in_time in outcomes:
        policy.ended(IN_TIME if in_time else late(9.0))
    return policy


def test_without_debt_least_energy_wins() -> None:
    assert [-0.2, -2.0] == [pytest.approx(score) for score in taught().score(request(), COLUMNS, 0.0)]


def test_debt_grows_by_the_aim_and_shrinks_with_each_request_in_time() -> None:
    """Aim 0.905: three late ones owe 2.715, one in time pays 0.095 of that back."""
    scores = taught(False, False, False, True).score(request(), COLUMNS, 0.0)

    assert [-0.2 - 2.62 * 0.4, -2.0] == [pytest.approx(score) for score in scores]


def test_enough_debt_buys_the_dear_server() -> None:
    """The dear one costs 1.8 more, and 0.4 more of a debt of 5 is 2."""
    cheap, dear = taught(*[False] * 6).score(request(), COLUMNS, 0.0)

    assert cheap < dear


def test_debt_has_a_floor_and_a_ceiling() -> None:
    assert taught().score(request(), COLUMNS, 0.0) == taught(*[True] * 50).score(request(), COLUMNS, 0.0)
    bounded = taught(*[False] * 50, most_debt=3.0).score(request(), COLUMNS, 0.0)
    assert pytest.approx(-0.2 - 3.0 * 0.4) == bounded[0]


def test_each_service_owes_for_itself() -> None:
    policy = taught(*[False] * 20)

    assert taught().score(request(), COLUMNS, 0.0) == policy.score(request(service="other"), COLUMNS, 0.0)


def test_clients_that_left_in_time_are_nobodys_miss() -> None:
    policy = taught()
    policy.ended(late(1.0, counted=False))

    assert taught().score(request(), COLUMNS, 0.0) == policy.score(request(), COLUMNS, 0.0)


def test_refused_requests_are_misses() -> None:
    policy = taught()
    policy.ended(late(0.1))

    assert policy.score(request(), COLUMNS, 0.0)[0] < taught().score(request(), COLUMNS, 0.0)[0]


def test_the_aim_leaves_a_way_to_one() -> None:
    """At an attainment of 0.995 the aim is 0.9975: one late request is paid off in 399, not never."""
    policy = taught(False, *[True] * 400, attainment=0.995)

    assert taught().score(request(), COLUMNS, 0.0) == policy.score(request(), COLUMNS, 0.0)


def test_debts_survive_a_restart() -> None:
    policy, heir = taught(False, False), taught()
    heir.absorb(policy.snapshot())

    assert policy.score(request(), COLUMNS, 0.0) == heir.score(request(), COLUMNS, 0.0)
