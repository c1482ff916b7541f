"""A large fleet in every kind of state, for tests of what is done with arrays."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from perllm.domain.action import Reservation
from perllm.domain.profile import Batching
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.settings import SchedulerSettings
from tests.unit.scheduling.builders import CLOUD, EDGE

SIZE = 150


def busy_fleet(seed: int, size: int = SIZE) -> list[ServerState]:
    """Return servers that differ in everything that an estimate or a constraint looks at."""
    rng = np.random.default_rng(seed)
    return [_server(f"s{number}", rng) for number in range(size)]


def change(state: ServerState, rng: np.random.Generator) -> None:
    """Do to a server what happens to servers."""
    for belief in (state.first_log, state.decode_log, state.total_log, state.energy_log):
        belief.learn(float(rng.normal(0.0, 0.3)), 1.0)
    state.learned()
    for _ in range(int(rng.integers(0, state.slots + 2))):
        reservation = Reservation(kv_tokens=int(rng.integers(0, 2500)), bytes_per_s=float(rng.uniform(0.0, 8e7)))
        state.reserve(reservation, float(rng.uniform(0.0, 0.4)), 300.0, float(rng.choice([0.0, 0.2])))
    if rng.random() < 0.3:
        state.will_read(0.5, 9.8)
    if rng.random() < 0.1:
        state.failed(9.9, SchedulerSettings(), None)
    state.healthy = bool(rng.random() < 0.9)
    state.changed()


def _server(server_id: str, rng: np.random.Generator) -> ServerState:
    kind = EDGE if rng.random() < 0.7 else CLOUD
    batching = Batching.PREFILL_FIRST if rng.random() < 0.5 else Batching.CHUNKED
    speed = replace(kind.speed, serial_fraction=0.3, step_overhead_s=0.001, context_token_s=1e-7)
    state = ServerState(replace(kind, server_id=server_id, batching=batching, speed=speed), SchedulerSettings())
    change(state, rng)
    return state
