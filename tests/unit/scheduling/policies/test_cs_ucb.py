"""CS-UCB against rounds worked by hand."""

from __future__ import annotations

from math import exp, log, sqrt

import pytest

from perllm.domain.service import Service
from perllm.scheduling.policies.cs_ucb import ARM_SD, DELTA, FIRST, PRICES, CsUcb
from perllm.scheduling.policy import Evident, Lesson
from tests.unit.scheduling.builders import request
from tests.unit.scheduling.policies.candidates import candidates
from tests.unit.scheduling.policies.outcomes import IN_TIME, late


def lesson(server_id: str, ratio: float | None, evident: Evident = Evident.FULLY) -> Lesson:
    """Return the end of an attempt that cost `ratio` times its prediction."""
    return Lesson(
        request_id="r1", service="chat", server_id=server_id, evident=evident, in_time=True, total_s=1.0,
        latency_s=1.0, requirement_s=None, transmit_j=0.0, infer_j=1.0, energy_ratio=ratio, free_slots_fraction=0.5,
        free_bandwidth_fraction=1.0, at_s=1.0,
    )  # fmt: skip


def test_untried_servers_are_judged_by_their_prediction_at_one_common_bound() -> None:
    """t = 1, L = 1 (the prior): factor exp(-0.15 * 0.2 * sqrt(ln 2 / 1))."""
    factor = exp(-DELTA * ARM_SD * sqrt(log(2.0)))

    scores = CsUcb().score(request(), candidates([10.0, 20.0]), 0.0)

    assert [pytest.approx(-10.0 * factor), pytest.approx(-20.0 * factor)] == list(scores)


def test_an_outstanding_decision_counts_as_tried() -> None:
    """After one choice t = 2; s0 has L = 1 + 1 outstanding, s1 has L = 1: s1 now looks better at equal joules."""
    policy = CsUcb()
    policy.chose(request(), "s0", 0.0)

    tried, untried = policy.score(request(), candidates([10.0, 10.0]), 0.0)

    assert pytest.approx(-10.0 * exp(-DELTA * ARM_SD * sqrt(log(3.0) / 2))) == tried
    assert pytest.approx(-10.0 * exp(-DELTA * ARM_SD * sqrt(log(3.0) / 1))) == untried


def test_a_result_moves_the_mean_and_narrows_the_bound() -> None:
    """One observation of twice the joules: mean (0 + ln 2) / 2, spread from squares (0.04 + ln2^2) / 2, L = 2."""
    policy = CsUcb()
    policy.chose(request(), "s0", 0.0)
    policy.learn(lesson("s0", 2.0))
    mean = log(2.0) / 2
    spread = sqrt((ARM_SD**2 + log(2.0) ** 2) / 2 - mean**2)

    (score,) = policy.score(request(), candidates([10.0]), 0.0)

    assert pytest.approx(-10.0 * exp(mean - DELTA * spread * sqrt(log(3.0) / 2))) == score


def test_a_cancelled_attempt_only_frees_its_outstanding_count() -> None:
    policy, fresh = CsUcb(), CsUcb()
    policy.chose(request(), "s0", 0.0)
    fresh.chose(request(), "s1", 0.0)
    policy.learn(lesson("s0", None, Evident.NOT))

    assert list(fresh.score(request(), candidates([10.0]), 0.0)) == list(
        policy.score(request(), candidates([10.0]), 0.0)
    )


def test_lessons_may_come_late_and_out_of_order() -> None:
    in_order, shuffled = CsUcb(), CsUcb()
    for policy in (in_order, shuffled):
        for _ in range(3):
            policy.chose(request(), "s0", 0.0)
    ratios = [1.1, 0.7, 1.6]
    for ratio in ratios:
        in_order.learn(lesson("s0", ratio))
    for ratio in reversed(ratios):
        shuffled.learn(lesson("s0", ratio))

    expected, real = (list(p.score(request(), candidates([5.0]), 0.0)) for p in (in_order, shuffled))
    assert pytest.approx(expected[0]) == real[0]


def test_what_was_learned_survives_a_restart() -> None:
    policy, heir = CsUcb(), CsUcb()
    policy.chose(request(), "s0", 0.0)
    policy.learn(lesson("s0", 3.0))
    for each in (policy, heir):
        each.meet([Service(name="chat")])
    ended(policy, 5, in_time=False)

    heir.absorb(policy.snapshot())

    assert policy.snapshot() == heir.snapshot()


def ended(policy: CsUcb, times: int, *, in_time: bool) -> None:
    for _ in range(times):
        policy.ended(IN_TIME if in_time else late(9.0))


def test_lateness_costs_its_price_in_usual_requests() -> None:
    """No bounds: 10 J surely in time against 4 J that are late once in ten; a miss costs 20 usual requests of 4 J."""
    policy = CsUcb(bounds=False)

    sure, cheap = policy.score(request(), candidates([10.0, 4.0], probability=[1.0, 0.9]), 0.0)

    assert pytest.approx(-10.0) == sure
    assert pytest.approx(-(4.0 + 0.1 * FIRST * 4.0)) == cheap


def test_a_server_is_charged_for_those_it_would_make_late() -> None:
    policy, careless = CsUcb(bounds=False), CsUcb(bounds=False, harm=False)
    crowded = candidates([5.0, 5.0], harm=[0.5, 0.0])

    assert [pytest.approx(-(5.0 + 0.5 * FIRST * 5.0)), pytest.approx(-5.0)] == list(
        policy.score(request(), crowded, 0.0)
    )
    assert [-5.0, -5.0] == list(careless.score(request(), crowded, 0.0))


def test_a_service_that_is_always_in_time_dares_more_and_one_that_is_not_pays_more() -> None:
    def prefers(policy: CsUcb) -> int:
        scores = list(policy.score(request(), candidates([10.0, 4.0], probability=[1.0, 0.8]), 0.0))
        return scores.index(max(scores))

    good, bad = CsUcb(bounds=False), CsUcb(bounds=False)
    for policy in (good, bad):
        policy.meet([Service(name="chat", attainment=0.9)])
        prefers(policy)
    ended(good, 200, in_time=True)
    ended(bad, 30, in_time=False)

    assert (1, 0) == (prefers(good), prefers(bad))


def test_without_the_dial_the_requirement_is_a_filter_again() -> None:
    policy = CsUcb(dial=False)

    assert policy.minds_time
    assert not policy.weighs_lateness


def test_a_service_that_asks_for_another_share_is_priced_for_that_from_then_on() -> None:
    """Twenty misses cost twenty times 0.98 where 97 % are asked for, and 0.51 where half are."""
    strict, lax = CsUcb(bounds=False), CsUcb(bounds=False)
    for policy in (strict, lax):
        policy.meet([Service(name="chat", attainment=0.97)])
    lax.meet([Service(name="chat", attainment=0.5)])
    for policy in (strict, lax):
        ended(policy, 20, in_time=False)

    assert strict.snapshot()[PRICES]["chat"].total > lax.snapshot()[PRICES]["chat"].total + 9.0
