"""Rates that forget, and what they expect."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest

from perllm.scheduling.demand import MOST_KINDS, QUICK_S, SLOW_S, Average, Traffic
from perllm.scheduling.records import RequestRecord, arrived
from tests.unit.scheduling.builders import CHAT, request


def record(at_s: float, model: str = "chat", **changes: Any) -> RequestRecord:
    return arrived(request(model=model, **changes), CHAT, 1, at_s)


def heard(*instants_s: float, since_s: float = 0.0) -> Traffic:
    traffic = Traffic(since_s)
    for at_s in instants_s:
        traffic.hear(record(at_s))
    return traffic


@pytest.mark.parametrize("memory_s", [QUICK_S, SLOW_S])
@pytest.mark.parametrize("for_s", [20, 3000])
def test_a_steady_rate_is_found_soon_and_kept(memory_s: float, for_s: int) -> None:
    average = Average(memory_s, 0.0)
    for number in range(2 * for_s):
        average.arrive(number / 2)

    assert 2.0 == pytest.approx(average.per_s(float(for_s)), rel=0.05)


def test_what_stops_coming_is_forgotten() -> None:
    average = Average(60.0, 0.0)
    for number in range(1000):
        average.arrive(float(number))

    assert average.per_s(1000.0 + 300.0) < 0.01


def test_a_steady_rate_is_expected_to_stay() -> None:
    traffic = heard(*(number / 2 for number in range(8000)))

    assert 1.0 == pytest.approx(traffic.growth(4000.0, 15.0), abs=0.02)


def test_a_ramp_is_expected_to_go_on() -> None:
    """The rate grows from 1/s by 1/s every 1,000 s: at instant t the number so far is t + t²/2000."""
    traffic = heard(*(sqrt(1e6 + 2000.0 * number) - 1000.0 for number in range(7500)))
    (kind,) = traffic.kinds.values()
    usual = kind.average.per_s(3000.0)

    assert 3.4 == pytest.approx(usual, rel=0.03)
    assert 4.0 == pytest.approx(usual * traffic.growth(3000.0, 0.0), rel=0.03)
    assert 4.5 == pytest.approx(usual * traffic.growth(3000.0, 500.0), rel=0.03)


def test_less_than_usual_is_not_expected_to_last() -> None:
    traffic = heard(*(float(number) for number in range(3000)))

    assert 1.0 == traffic.growth(3060.0, 15.0)


def test_a_kind_is_known_by_the_sizes_that_are_usual() -> None:
    traffic = Traffic(0.0)
    for number in range(400):
        traffic.hear(record(float(number), prompt_bytes=100 if number % 2 else 300))
    (kind,) = traffic.kinds.values()

    assert 200.0 == pytest.approx(kind.prompt_bytes, rel=0.05)


def test_kinds_that_come_no_more_are_dropped_and_so_are_the_rarest_of_too_many() -> None:
    traffic = heard(0.0)
    traffic.forget(10 * SLOW_S)
    assert not traffic.kinds

    for number in range(MOST_KINDS + 5):
        traffic.hear(record(float(number), model=f"model {number}"))
    traffic.forget(float(MOST_KINDS + 5))
    assert MOST_KINDS == len(traffic.kinds)
    assert "model 0" not in {model for _, model, _ in traffic.kinds}
