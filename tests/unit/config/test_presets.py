"""Presets fit their schema, say where every figure is from, and give way to the file."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from perllm.config.gateway_parts import gateway_parts
from perllm.config.loader import load_gateway
from perllm.config.mistakes import find_mistake
from perllm.config.presets import preset_names, read_preset
from perllm.config.provenance import numbers_in
from perllm.config.server_schema import Preset
from perllm.costs.time import decode_step_s
from perllm.domain.server import Server
from perllm.errors import ConfigError
from tests.unit.config.files import gateway_file, gateway_text, parts_of

A100 = {"device": "a100-80", "model": "llama-33b"}
TIMING = {"prefill_us_per_token": 1000, "decode_us_per_sequence": 100, "weights_read_ms": 50}


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_fits_its_schema(name: str) -> None:
    assert find_mistake(read_preset(name).tree, Preset) is None


@pytest.mark.parametrize("name", preset_names())
def test_every_number_of_a_preset_says_where_it_comes_from_and_lies_in_its_range(name: str) -> None:
    tree = read_preset(name).tree
    numbers, origins = numbers_in(tree), msgspec.convert(tree, Preset).origins

    assert numbers.keys() == origins.keys()
    assert [] == [
        place for place, origin in origins.items() if not origin.range[0] <= numbers[place] <= origin.range[1]
    ]


def test_what_the_file_says_goes_before_the_preset_key_by_key() -> None:
    own = {"preset": "jetson-agx-orin-llama3-8b-q4", "slots": 2, "speed": {"prefill_tokens_per_s": 50}}

    server = gateway_file(own).servers["edge-1"]

    assert server.speed is not None
    assert (2, 50.0, 28.1, 8192) == (
        server.slots, server.speed.prefill_tokens_per_s, server.speed.decode_tokens_per_s, server.context_tokens,
    )  # fmt: skip
    assert server.power is not None
    assert 12.0 == server.power.idle_w


def test_a_rate_of_the_file_changes_a_server_whose_other_rates_follow_from_hardware() -> None:
    (derived,) = servers_of({"preset": "xeon-4214r-llama2-7b-q4"})

    (server,) = servers_of({"preset": "xeon-4214r-llama2-7b-q4", "speed": {"prefill_tokens_per_s": 50}})

    assert pytest.approx(1 / 50) == server.speed.prefill_token_s
    assert pytest.approx(decode_step_s(derived.speed, 1)) == decode_step_s(server.speed, 1)
    assert pytest.approx(decode_step_s(derived.speed, 4)) == decode_step_s(server.speed, 4)


def test_timing_of_the_file_replaces_a_presets_speed() -> None:
    (server,) = servers_of({"preset": "tiny-5m-f16", "timing": TIMING})

    assert pytest.approx(1e-3) == server.speed.prefill_token_s
    assert 4 == server.slots


def test_hardware_of_the_file_replaces_a_presets_speed_and_may_change_a_part_of_its_hardware() -> None:
    (replaced,) = servers_of({"preset": "tiny-5m-f16", "hardware": A100})
    (one,) = servers_of({"preset": "a100-80-llama-33b"})
    (two,) = servers_of({"preset": "a100-80-llama-33b", "hardware": {"count": 2}})

    assert replaced.speed == one.speed
    assert two.speed.weights_read_s == pytest.approx(one.speed.weights_read_s / 2)
    assert 32 == one.slots == two.slots


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (
            {"hardware": A100, "speed": {"prefill_tokens_per_s": 1, "decode_tokens_per_s": 1}},
            "servers.edge-1.hardware: hardware and speed say the same thing in two ways: give one of them.",
        ),
        (
            {"hardware": A100, "timing": TIMING},
            "servers.edge-1.hardware: hardware and timing say the same thing in two ways: give one of them.",
        ),
        (
            {"hardware": {**A100, "device": "a100-81"}},
            "servers.edge-1.hardware.device: no device is called 'a100-81'. Did you mean a100-80?",
        ),
        (
            {"hardware": {**A100, "model": "lama-33b"}},
            "servers.edge-1.hardware.model: no model is called 'lama-33b'. Did you mean llama-33b?",
        ),
        (
            {"hardware": {**A100, "weights": "bf8"}},
            "servers.edge-1.hardware.weights: 'bf8' does not fit here. Known: fp16, int8, q4_0, q4_k_m, q8_0, w4a16.",
        ),
        (
            {"hardware": {**A100, "weights": "q8_0"}},
            "servers.edge-1.hardware.weights: there are no figures for q8_0 on a100-80. Did you mean q4_0?",
        ),
        (
            {"hardware": {"device": "raspberry-pi-5", "model": "llama2-7b", "weights": "q4_0", "count": 2}},
            "servers.edge-1.hardware.count: there are no figures for several raspberry-pi-5 together. Leave it at 1.",
        ),
        (
            {"hardware": {**A100, "device": "a100-40"}},
            "servers.edge-1.hardware.model: the weights take 65.1 GB and leave no room for the cache in the 38.7 GB"
            " that are usable. Take fewer bits (weights), more devices (count) or a smaller model.",
        ),
        ({"hardware": {"device": "a100-80"}}, "servers.edge-1.hardware.model: this key is missing."),
    ],
    ids=str,
)
def test_hardware_that_cannot_be_is_refused(own: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        gateway_file(own)

    _, _, told = str(refusal.value).partition(" ")
    assert told.startswith(expected)


def test_a_preset_may_be_a_file_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text("slots: 3\ntiming: {prefill_us_per_token: 1000, decode_us_per_sequence: 100}\n")
    config = tmp_path / "perllm.yaml"
    config.write_text(gateway_text({"preset": "./desk.yaml"}))

    (server,) = gateway_parts(load_gateway(config), {}, str(config)).servers

    assert 3 == server.slots
    assert pytest.approx(1e-3) == server.speed.prefill_token_s


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, "{folder}/perllm.yaml:7: servers.edge-1.preset: there is no file {folder}/desk.yaml. Check its name."),
        ("slot: 3", "{folder}/desk.yaml:1: slot: this key is unknown. Did you mean slots?"),
        ("slots: 3\nslots: 4", "{folder}/desk.yaml:2: slots: this key stands here twice. Remove one."),
        (
            "slots: 3\nhardware: {device: a100, model: yi-6b}",
            "{folder}/desk.yaml:2: hardware.device: no device is called 'a100'. Did you mean a100-40 or a100-80?",
        ),
    ],
)
def test_a_file_that_is_no_preset_is_refused_naming_its_line(
    written: str | None, expected: str, tmp_path: Path
) -> None:
    if written is not None:
        (tmp_path / "desk.yaml").write_text(written)
    config = tmp_path / "perllm.yaml"
    config.write_text(gateway_text({"preset": "./desk.yaml"}))

    with pytest.raises(ConfigError) as refusal:
        load_gateway(config)

    assert str(refusal.value).startswith(expected.format(folder=tmp_path))


def servers_of(own: dict[str, Any]) -> tuple[Server, ...]:
    return parts_of(gateway_file(own)).servers
