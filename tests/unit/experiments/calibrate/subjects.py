"""Engines to be calibrated on virtual time, and who calibrates them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from perllm.experiments.calibrate.asked import Asked, Prospect
from perllm.experiments.calibrate.result import Calibration
from perllm.experiments.calibrate.run import calibrate
from tests.parity.virtual_loop import run_virtual


class Quiet:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.elapsed_s = 0.0
        self.prospects: list[Prospect] = []

    def stage(self, what: str) -> None:
        self.stages.append(what)

    def elapsed(self, elapsed_s: float) -> None:
        self.elapsed_s = elapsed_s

    def agree(self, prospect: Prospect) -> None:
        self.prospects.append(prospect)


ASKED = Asked(url="", nonce="test", seconds=30.0)


def calibrated(
    engine: AbstractAsyncContextManager[str], asked: Asked = ASKED, watcher: Quiet | None = None
) -> Calibration:
    """Calibrate an engine on virtual time."""

    async def there() -> Calibration:
        watching = watcher or Quiet()
        async with engine as url:
            return await calibrate(replace(asked, url=url), watching, watching.agree)

    return run_virtual(there())
