"""The formulas against numbers worked by hand."""

from __future__ import annotations

import msgspec
import pytest

from perllm.costs.attribution import OccupancyMeter
from perllm.costs.energy import decode_w, marginal_decode_j, prefill_w, transmit_j
from perllm.costs.time import decode_step_s, download_s, prefill_s, upload_s
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.server import Link

SPEED = SpeedProfile(prefill_token_s=0.001, decode_token_s=0.01, weights_read_s=0.04, step_overhead_s=0.002)
POWER = PowerProfile(idle_w=50.0, prefill_w=250.0, decode_w=150.0, decode_full_w=250.0)
LINK = Link(rtt_s=0.1, up_bytes_per_s=1000.0, down_bytes_per_s=2000.0, j_per_byte=0.5)


def test_a_decode_step_is_bound_by_the_weights_until_the_batch_is_large() -> None:
    assert [0.042, 0.042, 0.052] == [pytest.approx(decode_step_s(SPEED, batch)) for batch in (1, 4, 5)]


def test_overheads_come_once_for_each_sequence_and_once_for_being_several() -> None:
    speed = SpeedProfile(
        prefill_token_s=1.0, decode_token_s=1.0, step_overhead_s=2.0, sequence_overhead_s=0.1, batching_overhead_s=5.0
    )

    assert [3.1, 9.2, 10.3] == [pytest.approx(decode_step_s(speed, batch)) for batch in (1, 2, 3)]


def test_a_prompt_takes_its_tokens_or_at_least_one_pass_over_the_weights() -> None:
    assert pytest.approx(0.102) == prefill_s(SPEED, 100)
    assert pytest.approx(0.042) == prefill_s(SPEED, 5)


def test_of_the_shorter_of_arithmetic_and_memory_traffic_a_part_does_not_hide() -> None:
    speed = msgspec.structs.replace(SPEED, serial_fraction=0.25)

    assert [0.0445, 0.052, 0.062] == [pytest.approx(decode_step_s(speed, batch)) for batch in (1, 4, 5)]
    assert [0.04325, 0.112] == [pytest.approx(prefill_s(speed, tokens)) for tokens in (5, 100)]


def test_links_take_half_a_round_trip_and_their_bytes() -> None:
    assert pytest.approx(0.55) == upload_s(LINK, 500)
    assert pytest.approx(0.30) == download_s(LINK, 500)
    assert 250.0 == transmit_j(LINK, 500)


def test_decode_watts_grow_from_one_sequence_to_a_full_batch() -> None:
    assert [0.0, 100.0, 150.0, 200.0, 200.0] == [decode_w(POWER, batch, 3) for batch in (0, 1, 2, 3, 9)]
    assert 200.0 == prefill_w(POWER)
    assert 100.0 == decode_w(POWER, 1, 1)


def test_marginal_joules_add_up_to_the_whole_batch() -> None:
    added = sum(marginal_decode_j(SPEED, POWER, batch, 3) for batch in range(3))

    assert pytest.approx(decode_w(POWER, 3, 3) * decode_step_s(SPEED, 3)) == added


def test_occupants_share_what_is_drawn_while_they_are_there() -> None:
    """A alone for 1 s, both for 1 s, B alone for 1 s, at 12 W: 12 + 6 and 6 + 12 joules."""
    meter = OccupancyMeter(watts=12.0)
    a_j = meter.join(0.0)
    b_j = meter.join(1.0)

    assert 18.0 == meter.leave(2.0, a_j)
    assert 18.0 == meter.leave(3.0, b_j)
    assert (36.0, 0.0, 0) == (meter.spent_j, meter.unowned_j, meter.occupants)


def test_watts_with_nobody_present_belong_to_nobody() -> None:
    meter = OccupancyMeter(watts=5.0)
    meter.advance(2.0)

    assert (10.0, 10.0) == (meter.spent_j, meter.unowned_j)
