"""Servers, needs and demands for tests of plans."""

from __future__ import annotations

from math import inf

from msgspec.structs import replace

from perllm.domain.profile import PowerProfile, Rest, SpeedProfile
from perllm.domain.server import Server
from perllm.scheduling.burden import Demand, lengths_of
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.need import Need
from perllm.scheduling.settings import SchedulerSettings
from tests.unit.scheduling.builders import EDGE

SLEEP = Rest(watts=2.0, wake_s=15.0, wake_j=90.0, on_command=True)
# A prompt of 100 tokens is read in 0.1 s, and a lone answer of 50 takes 1 s; waking pays after 60 s.
DOZER = replace(
    EDGE,
    slots=4,
    speed=SpeedProfile(prefill_token_s=0.001, decode_token_s=0.001, weights_read_s=0.02),
    power=PowerProfile(idle_w=14.0, prefill_w=30.0, decode_w=30.0, decode_full_w=30.0),
    rests=(replace(SLEEP, wake_j=510.0),),
)


def states(*servers: Server) -> list[ServerState]:
    """Return servers as they are seen before anything was sent there."""
    return [ServerState(server, SchedulerSettings()) for server in servers]


def fleet(*names: str, server: Server = DOZER) -> list[ServerState]:
    """Return servers that differ by name alone."""
    return states(*(replace(server, server_id=name) for name in names))


def need(budget_s: float = 4.0) -> Need:
    """Return a prompt of 100 tokens whose answer has 50, more or less."""
    return Need(100.0, 0.1, inf, 50.0, 3.9, 0.01, 60.0, 600, 5000.0, budget_s, inf, True)


def demand(rate_per_s: float, rows: tuple[int, ...], budget_s: float = 4.0, target: float = 0.95) -> Demand:
    """Return so many of these requests per second."""
    asked = need(budget_s)
    return Demand(need=asked, rate_per_s=rate_per_s, rows=rows, target=target, lengths=lengths_of(asked))
