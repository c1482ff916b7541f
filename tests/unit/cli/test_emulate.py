"""`perllm emulate` refuses what no engine could be, and plays the one it was asked for."""

import re
from typing import Any

import pytest

from perllm.costs.time import decode_step_s
from perllm.domain.profile import PowerProfile
from perllm.emulator.faults import Fault, FaultRates
from perllm.emulator.loading import Loading
from perllm.emulator.settings import EmulatorSettings
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
        " --cut 0.1 --stall-head 0.2 --503 0.4 --late-s 2 --retry-after-s 9 --load-s 3 --cold --unload-after-s 60"
    )

    shown = type_in("emulate", *words.split())

    (settings,) = played
    server = settings.server
    assert "Listening on http://127.0.0.1:8101/v1\nmodel tiny; 3 slots\n" == shown.stdout
    assert ("tiny", 4, 0) == (settings.model, settings.seed, settings.port)
    shares = {Fault.CUT: 0.1, Fault.STALL_HEAD: 0.2, Fault.UNAVAILABLE: 0.4}
    assert FaultRates(shares=shares) == settings.faults
    assert (2.0, 9) == (settings.late_s, settings.retry_after_s)
    assert Loading(load_s=3.0, cold=True, unload_after_s=60.0) == settings.loading
    assert PowerProfile(idle_w=2, prefill_w=9, decode_w=9, decode_full_w=9) == server.power
    assert pytest.approx(0.02) == decode_step_s(server.speed, 1)
    assert pytest.approx(0.001) == server.speed.prefill_token_s


def test_every_fault_has_an_option_that_says_what_it_does(played: list[EmulatorSettings]) -> None:
    (panel,) = re.findall("Faults.*", " ".join(type_in("emulate", "--help").stdout.replace("│", " ").split()))

    assert [] == [fault for fault in Fault if f"--{fault} SHARE" not in panel or fault.does.split()[0] not in panel]
    for fault in Fault:
        type_in("emulate", f"--{fault}", "0.5")
    assert [{fault: 0.5} for fault in Fault] == [settings.faults.shares for settings in played]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--preset", "tiny"), "error: --preset: no preset is called 'tiny'. "),
        (("--cut", "0.6", "--503", "0.6"), "error: --503, --cut: the shares of faults add up to 1.2"),
        (("--idle-w", "3"), "error: --busy-w: --idle-w needs it, for the preset tiny-60m-q8 does not know"),
        (("--busy-w", "3"), "error: --idle-w: --busy-w needs it, for the preset tiny-60m-q8 does not know"),
    ],
)
def test_what_no_engine_could_be_is_refused(words: tuple[str, ...], told: str, played: list[EmulatorSettings]) -> None:
    shown = type_in("emulate", *words)

    assert 2 == shown.exit_code
    assert shown.stderr.startswith(told)
    assert [] == played
