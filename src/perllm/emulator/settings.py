"""What an emulated engine is, and what goes wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from perllm.domain.server import Server
from perllm.simulation.lengths import Lengths

# Short answers of a chat, as the demo's services have them.
ANSWERS = Lengths(median_tokens=96, sigma=0.8, minimum=1, maximum=1024)


class Fault(StrEnum):
    """What can go wrong with one request."""

    STALL_HEAD = "stall-head"
    STALL_STREAM = "stall-stream"
    CUT = "cut"
    UNAVAILABLE = "503"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRates:
    """The share of requests that meets each fault. Together at most 1."""

    stall_head: float = 0.0
    stall_stream: float = 0.0
    cut: float = 0.0
    unavailable: float = 0.0

    def pick(self, draw: float) -> Fault | None:
        """Choose a fault, or none, by a uniform draw between 0 and 1."""
        rates = (self.stall_head, self.stall_stream, self.cut, self.unavailable)
        for fault, rate in zip(Fault, rates, strict=True):
            if draw < rate:
                return fault
            draw -= rate
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """An engine to serve.

    `server` is its profile, which here is the truth. A stream's tokens leave in bursts, `frames_every_s` apart.
    What a request does not say of its own truth is drawn: `output_tokens`, and the noise of service and link as the
    deviations of their logarithms.
    """

    server: Server
    model: str
    host: str = "127.0.0.1"
    port: int = 8080
    seed: int = 0
    frames_every_s: float = 0.05
    output_tokens: Lengths = ANSWERS
    service_noise: float = 0.05
    link_jitter: float = 0.1
    faults: FaultRates = field(default_factory=FaultRates)
