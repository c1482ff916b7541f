"""The emulator's constants, which are known, are found by measuring it from outside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perllm.costs.time import decode_step_s, prefill_s
from perllm.domain.profile import Batching, PowerProfile, SpeedProfile
from perllm.domain.server import Link, Server, Tier
from perllm.emulator.settings import EmulatorSettings
from perllm.simulation.lengths import Lengths
from tests.parity.harness import serve_emulator
from tests.unit.experiments.calibrate.subjects import ASKED, calibrated

SPEED = SpeedProfile(
    prefill_token_s=1e-3, decode_token_s=12e-3, weights_read_s=40e-3, step_overhead_s=4e-3, request_overhead_s=20e-3
)
SERVER = Server(
    server_id="emulated",
    tier=Tier.EDGE,
    models=frozenset({"m"}),
    slots=8,
    kv_tokens=16_384,
    context_tokens=2048,
    link=Link(),
    speed=SPEED,
    power=PowerProfile(idle_w=0.0, prefill_w=0.0, decode_w=0.0, decode_full_w=0.0),
)
SETTINGS = EmulatorSettings(
    server=SERVER,
    model="m",
    # Answers as long as they may be, as from an engine that ignores its own end.
    output_tokens=Lengths(median_tokens=10_000, sigma=0.0, minimum=10_000, maximum=10_000),
    frames_every_s=0.01,
    service_noise=0.0,
    link_jitter=0.0,
)
MINUTE = replace(ASKED, context_tokens=2048, seconds=60.0)


def test_constants_are_recovered_from_an_engine_without_noise() -> None:
    found = calibrated(serve_emulator(SETTINGS), MINUTE)

    assert [] == found.warnings
    speed = found.speed
    assert speed.prefill_token_s == pytest.approx(SPEED.prefill_token_s, rel=0.01)
    assert speed.decode_token_s == pytest.approx(SPEED.decode_token_s, rel=0.03)
    assert speed.weights_read_s + speed.step_overhead_s == pytest.approx(44e-3, rel=0.015)
    # Of the step's overhead only a full batch tells, so what is missing there is found around the first token.
    assert speed.request_overhead_s + speed.step_overhead_s == pytest.approx(24e-3, rel=0.05)
    assert (0.0, 0.0) == (speed.attention_pair_s, speed.context_token_s)
    assert Batching.PREFILL_FIRST is found.batching
    assert found.caches_prefixes is False
    # The emulator does not tell its slots: they are found by who has to wait.
    assert (8, "of more than 8 at once some had to wait") == (found.capacity.slots, found.capacity.slots_from)


def test_steps_and_first_tokens_are_recovered_within_six_percent_where_requests_scatter_by_three() -> None:
    noisy = replace(SETTINGS, service_noise=0.03, seed=1)

    found = calibrated(serve_emulator(noisy), MINUTE)

    for batch in range(1, 9):
        assert decode_step_s(found.speed, batch) == pytest.approx(decode_step_s(SPEED, batch), rel=0.06)
    for tokens in (100, 500, 1500):
        truth_s = prefill_s(SPEED, tokens) + SPEED.request_overhead_s
        fitted_s = prefill_s(found.speed, tokens) + found.speed.request_overhead_s
        assert fitted_s == pytest.approx(truth_s, rel=0.06)
