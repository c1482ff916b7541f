"""A calibration of a real llama.cpp engine, as a user types it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from perllm.config.document import parse
from perllm.config.server_schema import Preset
from perllm.demo.launcher import EngineSpec, launch
from perllm.demo.tiny_model import tiny_model
from tests.unit.cli.terminal import type_in

SECONDS = 5


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model("1m", mean_output_tokens=24.0, seed=1, folder=tmp_path_factory.mktemp("models"))


async def test_a_tiny_engine_is_measured_in_seconds_and_its_profile_can_be_read(model: Path, tmp_path: Path) -> None:
    profile, result = tmp_path / "tiny.yaml", tmp_path / "result.json"
    async with launch([EngineSpec(name="tiny", model=model, slots=2, slot_tokens=4096)]) as (engine,):
        words = ("calibrate", engine.url, "--seconds", SECONDS, "--out", profile, "--json", result)
        shown = await asyncio.to_thread(type_in, *words)

    assert 0 == shown.exit_code, shown.stderr
    text = profile.read_text(encoding="utf-8")
    preset = msgspec.convert(parse(text, str(profile)).tree, Preset)
    measured = json.loads(result.read_text(encoding="utf-8"))
    assert (2, 4096) == (preset.slots, preset.context_tokens)
    assert preset.caches_prefixes
    assert preset.timing is not None
    # One core of anything reads a token of a million parameters in between 0.1 us and 10 ms.
    assert 0.1 < preset.timing.prefill_us_per_token < 10_000.0
    assert {1, 2} == {step["batch"] for step in measured["samples"]["step"]}
    assert 6 <= len({sample["prompt_tokens"] for sample in measured["samples"]["first_token"]})
    assert measured["used"]["seconds"] < 1.5 * SECONDS
