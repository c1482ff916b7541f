"""An emulated engine has its preset's figures but for those that are given."""

import pytest

from perllm.config.emulator_parts import emulated_server
from perllm.costs.time import decode_step_s
from perllm.errors import ConfigError


def test_figures_that_are_given_go_before_the_presets() -> None:
    server = emulated_server("m", "jetson-agx-orin-llama3-8b-q4", {"slots": 2, "speed": {"prefill_tokens_per_s": 50}})

    assert (["m"], 2) == (list(server.models), server.slots)
    assert pytest.approx(0.02) == server.speed.prefill_token_s
    assert pytest.approx(1 / 28.1) == decode_step_s(server.speed, 1)


@pytest.mark.parametrize(
    ("preset", "own", "expected"),
    [
        ("tiny-5m", {}, "--preset: no preset is called 'tiny-5m'. Did you mean tiny-5m-f16?"),
        ("tiny-5m-f16", {"power": {"idle_w": 1}}, "power.decode_w: this key is missing. Give a number, 0 or above."),
    ],
)
def test_what_does_not_fit_is_refused(preset: str, own: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        emulated_server("m", preset, own)

    assert expected == str(refusal.value)
