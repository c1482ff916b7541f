"""Presets fit their schema, say where every figure is from, and give way to the file."""

import re
from pathlib import Path

import msgspec
import pytest

import perllm.config
from perllm.config.presets import preset_names, read_preset
from perllm.config.server_schema import Preset
from tests.unit.config.files import gateway_file

FOLDER = Path(perllm.config.__file__).parent / "presets"
FIGURE = re.compile(r"^ *(?P<key>\w+): [\d.]+ *(?P<comment>#.*)?$")


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_fits_its_schema(name: str) -> None:
    assert msgspec.convert(read_preset(name).tree, Preset).slots >= 1


@pytest.mark.parametrize("name", preset_names())
def test_every_figure_of_a_preset_has_a_word_on_its_origin(name: str) -> None:
    lines = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    whole_file_is_measured = any("All speeds measured" in line for line in lines)

    silent = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if (figure := FIGURE.match(line)) and not figure["comment"] and "#" not in before
    ]

    assert whole_file_is_measured or [] == [line for line in silent if "batch_decode" not in line]


def test_what_the_file_says_goes_before_the_preset_key_by_key() -> None:
    own = {"preset": "xeon-4214r-llama2-7b-q4", "slots": 2, "speed": {"prefill_tokens_per_s": 50}}

    server = gateway_file(own).servers["edge-1"]

    assert server.speed is not None
    assert (2, 50.0, 13.5, 4096) == (
        server.slots, server.speed.prefill_tokens_per_s, server.speed.decode_tokens_per_s, server.context_tokens,
    )  # fmt: skip
    assert server.power is not None
    assert 56.0 == server.power.idle_w
