"""Time slots."""

from __future__ import annotations

import pytest

from perllm.scheduling.slots import slot_end_s


@pytest.mark.parametrize(
    ("slot_s", "arrived_at_s", "now_s", "end_s"),
    [
        (0.5, 0.0, 0.0, 0.5),
        (0.5, 0.2, 0.4, 0.5),
        (0.5, 0.2, 0.5, None),
        (0.5, 0.5, 0.5, 1.0),
        (0.5, 0.2, 7.3, None),
        (0.0, 0.2, 0.2, None),
    ],
)
def test_a_slot_ends_once_for_those_that_arrive_in_it(
    slot_s: float, arrived_at_s: float, now_s: float, end_s: float | None
) -> None:
    assert end_s == slot_end_s(slot_s, arrived_at_s, now_s)


def test_whoever_waited_for_the_end_never_waits_again_whatever_rounding_does() -> None:
    for number in range(10_000):
        arrived_at_s = number * 0.1
        end_s = slot_end_s(0.1, arrived_at_s, arrived_at_s)
        assert end_s is None or slot_end_s(0.1, arrived_at_s, end_s) is None
