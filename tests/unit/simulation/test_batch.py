"""Steps in closed form."""

from __future__ import annotations

from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.simulation.batch import DecodeBatch
from perllm.simulation.sequence import Sequence
from tests.unit.simulation.machines import job

SPEED = SpeedProfile(prefill_token_s=0.001, decode_token_s=0.047)
POWER = PowerProfile(idle_w=0.0, prefill_w=1.0, decode_w=1.0, decode_full_w=1.0)


def test_a_run_is_never_interrupted_before_the_instant_asked_for() -> None:
    batch = DecodeBatch(SPEED, POWER, slots=1)
    batch.join(Sequence("a", 1, job(output_tokens=100), 0.0), 0.1)
    batch.run(0.1)
    # Just after the end of the 36th step, by less than the division can see.
    instant_s = 1.7920000000000003

    batch.interrupt(instant_s)

    assert 0.1 + 37 * 0.047 == batch.turn_at_s
