"""`perllm presets` lists what can be named, and shows where figures come from and what follows from them."""

import json

import pytest

from perllm.config.catalogue import device_names, model_names
from perllm.config.networks import Network
from perllm.config.presets import preset_names
from tests.unit.cli.terminal import type_in

NAMES = [*device_names(), *model_names(), *preset_names(), *Network]


def test_people_get_tables() -> None:
    shown = type_in("presets")

    assert 0 == shown.exit_code
    assert [] == [name for name in NAMES if f"\n{name} " not in shown.stdout]


def test_programs_get_all_of_it() -> None:
    listed = json.loads(type_in("presets", "--json", "-").stdout)

    assert ["devices", "models", "presets", "networks"] == list(listed)
    assert 2039 == listed["devices"]["a100-80"]["memory_gb_per_s"]["value"]
    assert "marginal" == listed["networks"]["wired-marginal"]["coefficient"]


@pytest.mark.parametrize("name", [*device_names(), *model_names(), *preset_names()])
def test_every_figure_is_shown_with_range_kind_and_source(name: str) -> None:
    shown = json.loads(type_in("presets", "show", name, "--json", "-").stdout)

    assert name == shown["name"]
    assert [{"name", "value", "range", "kind", "source"}] == [set(each) for each in shown["figures"][:1]]


def test_a_preset_of_hardware_shows_the_figures_of_both_halves() -> None:
    words = type_in("presets", "show", "a100-80-llama-33b").stdout

    assert "memory_gb_per_s" in words
    assert "kv_heads" in words


def test_what_follows_is_shown_as_rates_and_as_keys() -> None:
    derived = json.loads(
        type_in("presets", "derive", "xeon-4214r", "llama2-7b", "--weights", "q4_0", "--json", "-").stdout
    )

    assert pytest.approx(13.8, abs=0.1) == derived["rates"]["decode_tokens_per_s"]
    assert {"timing", "power", "slots", "kv_tokens"} <= derived["server"].keys()
    assert "decode tokens per s" in type_in("presets", "derive", "xeon-4214r", "llama2-7b").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["show", "a100-8"], "NAME: nothing is called 'a100-8'. Did you mean a100-80 or a100-80-llama-33b?"),
        (["derive", "a100", "yi-6b"], "DEVICE: no device is called 'a100'. Did you mean a100-40 or a100-80?"),
        (["derive", "a100-40", "llama-33b"], "MODEL: the weights take 65.1 GB and leave no room"),
        (["derive", "t4", "yi-6b", "--weights", "q4_0"], "--weights: there are no figures for q4_0 on t4."),
    ],
)
def test_what_cannot_be_is_told_in_a_line(words: list[str], told: str) -> None:
    shown = type_in("presets", *words)

    assert 2 == shown.exit_code
    assert shown.stderr.startswith(f"error: {told}")
