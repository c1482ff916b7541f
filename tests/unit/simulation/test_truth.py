"""What machines really are."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.domain.profile import Rest
from perllm.simulation.streams import stream
from perllm.simulation.truth import true_server
from tests.unit.simulation.machines import SERVER


def test_without_an_error_the_profile_is_the_truth() -> None:
    assert SERVER == true_server(SERVER, 0.0, stream(1, "edge"))


def test_every_constant_errs_within_its_bounds_and_both_ways() -> None:
    ratios = []
    for seed in range(200):
        true = true_server(SERVER, 0.25, stream(seed, "edge"))
        ratios += [
            true.speed.decode_token_s / SERVER.speed.decode_token_s,
            true.speed.weights_read_s / SERVER.speed.weights_read_s,
            true.speed.request_overhead_s / SERVER.speed.request_overhead_s,
            true.link.rtt_s / SERVER.link.rtt_s,
            true.link.up_bytes_per_s / SERVER.link.up_bytes_per_s,
            true.power.idle_w / SERVER.power.idle_w,
        ]

    assert 0.8 <= min(ratios) < 0.81
    assert 1.24 < max(ratios) <= 1.25
    assert 0.45 < sum(ratio < 1.0 for ratio in ratios) / len(ratios) < 0.55


def test_working_never_draws_less_than_idling() -> None:
    for seed in range(50):
        power = true_server(SERVER, 0.9, stream(seed, "edge")).power

        assert power.idle_w < power.decode_w < power.prefill_w < power.decode_full_w


def test_resting_never_draws_more_than_idling() -> None:
    sleepy = replace(SERVER, rests=(Rest(after_s=1.0, watts=9.0, wake_s=1.0), Rest(after_s=2.0, watts=3.0, wake_s=2.0)))
    for seed in range(50):
        true = true_server(sleepy, 0.9, stream(seed, "edge"))

        assert true.power.idle_w > true.rests[0].watts > true.rests[1].watts
        assert [(1.0, 1.0), (2.0, 2.0)] == [(rest.after_s, rest.wake_s) for rest in true.rests]


def test_what_a_byte_costs_is_true_as_given() -> None:
    assert pytest.approx(SERVER.link.j_per_byte) == true_server(SERVER, 0.5, stream(1, "edge")).link.j_per_byte
