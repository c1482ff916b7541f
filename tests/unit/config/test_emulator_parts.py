"""An emulated engine has its preset's figures but for those that are given."""

import pytest

from perllm.config.emulator_parts import emulated_server
from perllm.costs.time import decode_step_s
from perllm.errors import ConfigError

JETSON, XEON = "jetson-agx-orin-llama3-8b-q4", "xeon-4214r-llama2-7b-q4"


def test_figures_that_are_given_go_before_the_presets() -> None:
    server = emulated_server("m", JETSON, {"slots": 2, "speed": {"prefill_tokens_per_s": 50}})

    assert (["m"], 2) == (list(server.models), server.slots)
    assert pytest.approx(0.02) == server.speed.prefill_token_s
    assert pytest.approx(1 / 28.1) == decode_step_s(server.speed, 1)


@pytest.mark.parametrize(
    ("preset", "own", "expected"),
    [
        ("tiny-5m", {}, "--preset: no preset is called 'tiny-5m'. Did you mean tiny-5m-f16?"),
        (
            "tiny-5m-f16",
            {"power": {"idle_w": 1}},
            "--busy-w: --idle-w needs it, for the preset tiny-5m-f16 does not know what its machine draws."
            " Give both, or leave --idle-w out.",
        ),
        (XEON, {"power": {"idle_w": 1e4}}, "--idle-w, --busy-w: a machine at work draws at least its idle_w. Correct"),
        (XEON, {"power": {"idle_w": -1.0}}, "--idle-w: -1.0 does not fit here."),
        (XEON, {"speed": {"prefill_tokens_per_s": 0.0}}, "--prefill: 0.0 does not fit here."),
        (XEON, {"slots": 0}, "--slots: 0 does not fit here."),
    ],
)
def test_what_does_not_fit_is_refused_by_the_option_that_was_typed(
    preset: str, own: dict[str, object], expected: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        emulated_server("m", preset, own)

    assert str(refusal.value).startswith(expected)
