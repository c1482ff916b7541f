"""`perllm emulate` refuses what no engine could be, and plays the one it was asked for."""

from typing import Any

import pytest

from perllm.costs.time import decode_step_s
from perllm.domain.profile import PowerProfile
from perllm.emulator.settings import EmulatorSettings, FaultRates
from tests.unit.cli.terminal import type_in


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[EmulatorSettings]:
    """Take note of the settings instead of serving."""
    taken: list[EmulatorSettings] = []

    def run(settings: EmulatorSettings, ready: Any) -> None:
        taken.append(settings)
        ready(8101)

    monkeypatch.setattr("perllm.cli.emulate.run_emulator", run)
    return taken


def test_options_make_the_engine(played: list[EmulatorSettings]) -> None:
    words = (
        "--port 0 --model tiny --slots 3 --prefill 1000 --decode 50 --idle-w 2 --busy-w 9 --seed 4"
        " --cut 0.1 --stall-head 0.2 --stall-stream 0.3 --unavailable 0.4"
    )

    shown = type_in("emulate", *words.split())

    (settings,) = played
    server = settings.server
    assert "Listening on http://127.0.0.1:8101/v1\nmodel tiny; 3 slots\n" == shown.stdout
    assert ("tiny", 4, 0) == (settings.model, settings.seed, settings.port)
    assert FaultRates(cut=0.1, stall_head=0.2, stall_stream=0.3, unavailable=0.4) == settings.faults
    assert PowerProfile(idle_w=2, prefill_w=9, decode_w=9, decode_full_w=9) == server.power
    assert pytest.approx(0.02) == decode_step_s(server.speed, 1)
    assert pytest.approx(0.001) == server.speed.prefill_token_s


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--preset", "tiny"), "error: --preset: no preset is called 'tiny'. "),
        (("--cut", "0.6", "--unavailable", "0.6"), "error: --cut: the shares of faults add up to more than 1. Lower"),
    ],
)
def test_what_no_engine_could_be_is_refused(words: tuple[str, ...], told: str, played: list[EmulatorSettings]) -> None:
    shown = type_in("emulate", *words)

    assert 2 == shown.exit_code
    assert shown.stderr.startswith(told)
    assert [] == played
