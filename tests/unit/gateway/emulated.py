"""Emulated engines for a gateway, fine or with a fault that all requests meet."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from perllm.emulator.faults import Fault, FaultRates
from perllm.emulator.loading import Loading
from perllm.emulator.settings import EmulatorSettings
from perllm.simulation.lengths import Lengths
from tests.parity.harness import serve_emulator
from tests.unit.gateway.fleet import server

TOKENS = 200


def emulated(fault: Fault | None = None) -> AbstractAsyncContextManager[str]:
    """Serve an engine with one slot and answers that take 20 ms, and yield its address."""
    return serve_emulator(
        EmulatorSettings(
            server=server("edge", slots=1),
            model="engine-small",
            frames_every_s=0.005,
            output_tokens=Lengths(median_tokens=TOKENS, sigma=0.0, minimum=TOKENS, maximum=TOKENS),
            faults=FaultRates(shares={} if fault is None else {fault: 1.0}),
            late_s=0.05,
            retry_after_s=2,
            loading=Loading(load_s=0.05),
        )
    )
