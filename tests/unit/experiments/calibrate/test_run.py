"""A whole calibration, of an engine that walks through its steps by the whole formula."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from perllm.config.document import parse
from perllm.config.server_schema import Preset
from perllm.config.values import link_value, timed_profile
from perllm.costs.time import decode_step_s, prefill_s
from perllm.domain.profile import Batching, SpeedProfile
from perllm.errors import ConfigError, PerLLMError, UpstreamError
from perllm.experiments.calibrate.profile_text import profile_text
from perllm.experiments.calibrate.result import Calibration, off
from perllm.experiments.calibrate.run import calibrate
from tests.parity.virtual_loop import run_virtual, virtual_loop
from tests.unit.experiments.calibrate.stepping import Stepping, stepping
from tests.unit.experiments.calibrate.subjects import ASKED, Quiet, calibrated

# Bound by memory with few answers, by arithmetic with many; context and attention cost what they do on an edge device.
SPEED = SpeedProfile(
    prefill_token_s=1e-3,
    decode_token_s=8e-3,
    weights_read_s=30e-3,
    attention_pair_s=0.5e-6,
    context_token_s=8e-6,
    step_overhead_s=2e-3,
    request_overhead_s=10e-3,
)
MINUTE = replace(ASKED, seconds=60.0)


def preset_of(found: Calibration) -> Preset:
    return msgspec.convert(parse(profile_text(found, "2026-01-01"), "profile").tree, Preset)


@pytest.mark.parametrize("batching", Batching)
def test_the_written_profile_gives_steps_and_first_tokens_within_two_percent(batching: Batching) -> None:
    found = calibrated(stepping(Stepping(speed=SPEED, slots=8, batching=batching)), MINUTE)
    preset = preset_of(found)

    assert [] == found.warnings
    assert preset.timing is not None
    speed = timed_profile(preset.timing)
    for batch in range(1, 9):
        for context in (50, 1000):
            truth_s = decode_step_s(SPEED, batch, batch * context)
            assert decode_step_s(speed, batch, batch * context) == pytest.approx(truth_s, rel=0.02)
    for tokens in (100, 1000, 1700):
        truth_s = prefill_s(SPEED, tokens) + SPEED.request_overhead_s
        assert prefill_s(speed, tokens) + speed.request_overhead_s == pytest.approx(truth_s, rel=0.02)
    assert off(found.reading_points)[1] < 0.02
    assert off(found.writing_points)[1] < 0.02


def test_the_profile_says_what_the_engine_takes_and_how_it_reads() -> None:
    engine = Stepping(speed=SPEED, slots=8, batching=Batching.CHUNKED, step_tokens=512, caches=True)

    preset = preset_of(calibrated(stepping(engine), MINUTE))

    assert (8, 8192, 65_536) == (preset.slots, preset.context_tokens, preset.kv_tokens)
    assert (Batching.CHUNKED, 512, True) == (preset.batching, preset.step_tokens, preset.caches_prefixes)
    assert preset.link is not None
    assert 0.0 == link_value(preset.link).rtt_s
    assert preset.power is None


def test_it_stays_within_what_it_announced() -> None:
    watcher = Quiet()

    found = calibrated(stepping(Stepping(speed=SPEED)), MINUTE, watcher)

    assert found.used.fits(watcher.prospects[0].most)
    assert found.seconds < 1.1 * MINUTE.seconds


def test_a_long_template_does_not_make_it_spend_more_than_it_announced() -> None:
    watcher, quick = Quiet(), replace_speed(10.0)

    found = calibrated(stepping(Stepping(speed=quick, template_tokens=3000)), MINUTE, watcher)

    assert found.used.fits(watcher.prospects[0].most)
    assert any("no tokens were left" in warning for warning in found.warnings)


def replace_speed(faster: float) -> SpeedProfile:
    return SpeedProfile(
        prefill_token_s=SPEED.prefill_token_s / faster,
        decode_token_s=SPEED.decode_token_s / faster,
        weights_read_s=SPEED.weights_read_s / faster,
    )


def test_no_two_prompts_begin_alike_but_those_sent_twice_on_purpose() -> None:
    engine = Stepping(speed=SPEED)
    calibrated(stepping(engine), MINUTE)

    beginnings = [body["messages"][0]["content"][:8] for body in engine.bodies]

    assert len(beginnings) - 3 <= len(set(beginnings)) < len(beginnings)


def test_an_engine_that_slows_down_meanwhile_is_told_of() -> None:
    found = calibrated(stepping(Stepping(speed=SPEED, slower_after=40)), MINUTE)

    assert any("decode steps took +50% at the end" in warning for warning in found.warnings)
    assert "# WARNING: decode steps took +50%" in profile_text(found, "2026-01-01")


def test_an_engine_that_knows_no_ignore_eos_is_asked_without_it() -> None:
    engine = Stepping(speed=SPEED, refused=frozenset({"ignore_eos", "max_tokens"}))

    found = calibrated(stepping(engine), MINUTE)

    assert all("max_completion_tokens" in body for body in engine.bodies)
    assert any("cannot be told to write on" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("engine", "asked", "kind", "told"),
    [
        (Stepping(speed=SPEED, api_key="secret"), ASKED, ConfigError, "the engine wants an API key"),
        (
            Stepping(speed=SPEED, api_key="secret"),
            replace(ASKED, api_key="wrong"),
            ConfigError,
            "the engine refuses the API key. Name the environment variable",
        ),
        (Stepping(speed=SPEED), replace(ASKED, model="n"), ConfigError, "serves no model 'n'. Known: m."),
        (Stepping(speed=SPEED, models=("m", "n")), ASKED, ConfigError, "lists several models. Name one: m, n."),
        (Stepping(speed=SPEED, tells_usage=False), ASKED, UpstreamError, "tells no token counts"),
        (
            Stepping(speed=SPEED, refused=frozenset({"messages"})),
            ASKED,
            UpstreamError,
            'status 400: {"error": {"message": "unknown field"}}',
        ),
        (
            Stepping(speed=SpeedProfile(prefill_token_s=10.0, decode_token_s=10.0)),
            ASKED,
            UpstreamError,
            "too slow to be measured in 30 s",
        ),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(
    engine: Stepping, asked: object, kind: type[PerLLMError], told: str
) -> None:
    with pytest.raises(kind) as caught:
        calibrated(stepping(replace(engine)), asked)  # type: ignore[arg-type]

    assert told in str(caught.value)


def test_an_address_at_which_nobody_listens_is_said_in_a_line() -> None:
    async def there() -> None:
        await calibrate(replace(ASKED, url="http://127.0.0.1:9"), Quiet(), lambda prospect: None)

    with pytest.raises(ConfigError, match=r"http://127.0.0.1:9: the engine cannot be reached: connection refused"):
        run_virtual(there())


@pytest.mark.parametrize("at_s", [2.0, 24.0, 33.0, 53.0])
def test_a_calibration_that_is_interrupted_leaves_nothing_running(at_s: float) -> None:
    engine = Stepping(speed=SPEED)

    async def there() -> None:
        async with stepping(engine) as url:
            running = asyncio.create_task(calibrate(replace(MINUTE, url=url), Quiet(), lambda prospect: None))
            await virtual_loop().until(at_s)
            assert engine.running
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await virtual_loop().until(at_s + 1.0)
            assert (0, 0) == (len(engine.running), len(engine.waiting))

    run_virtual(there())
