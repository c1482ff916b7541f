"""What an emulated engine is, and what goes wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from perllm.domain.server import Server
from perllm.emulator.faults import FaultRates
from perllm.emulator.loading import Loading
from perllm.simulation.lengths import Lengths

# Short answers of a chat, as the demo's services have them.
ANSWERS = Lengths(median_tokens=96, sigma=0.8, minimum=1, maximum=1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """An engine to serve.

    `server` is its profile, which here is the truth. A stream's tokens leave in bursts, `frames_every_s` apart.
    What a request does not say of its own truth is drawn: `output_tokens`, and the noise of service and link as the
    deviations of their logarithms. `late_s` and `retry_after_s` belong to the faults that are late or say when to come
    again.
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
    late_s: float = 5.0
    retry_after_s: int = 1
    loading: Loading = field(default_factory=Loading)
