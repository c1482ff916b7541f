"""The demo: real engines, real clients, the gateway between them; then the same traffic once more, all to the cloud."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from perllm.accounting import Ledger
from perllm.demo.clients import make_calls
from perllm.demo.fleet import Place, engines, free_port, gateway, write_config
from perllm.demo.traffic import Call, draw_calls
from perllm.domain.entry import Fleet
from perllm.errors import InvariantError
from perllm.journal.store import read

OURS = "cs-ucb"
RIVAL = "cloud-only"


class Watcher(Protocol):
    """Whoever shows the demo's progress."""

    def stage(self, what: str) -> None:
        """Say what happens now."""

    def serving(self, policy: str, address: str, calls: int) -> None:
        """Say that traffic starts."""

    def answered(self, good: bool) -> None:
        """Say that one more call is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The result objects of both runs, and what speaks against exit status 0."""

    ours: dict[str, Any]
    cloud_only: dict[str, Any]
    complaints: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """Return PerLLM's result object with the other run's under `cloud_only`."""
        return {**self.ours, "cloud_only": self.cloud_only, "complaints": list(self.complaints)}


async def run_demo(*, seconds: float, calls_per_s: float, seed: int, keep: bool, watcher: Watcher) -> DemoResult:
    """Run the demo. With `keep`, the gateway stays up afterwards until interrupted."""
    calls = draw_calls(seconds, calls_per_s, seed)
    with tempfile.TemporaryDirectory(prefix="perllm-demo-") as folder:
        watcher.stage("making two tiny models and starting three llama.cpp engines")
        async with engines() as places:
            results = []
            for policy in (OURS, RIVAL):
                results.append(await _serve(Path(folder), places, calls, policy, seed, watcher))
            if keep:
                await _keep(Path(folder), places, seed, watcher)
    (ours, our_errors), (theirs, their_errors) = results
    complaints = [*_complaints(ours, len(calls), our_errors), *_complaints(theirs, len(calls), their_errors)]
    return DemoResult(ours=ours, cloud_only=theirs, complaints=complaints + _unused_tiers(ours))


async def _serve(
    folder: Path, places: Sequence[Place], calls: Sequence[Call], policy: str, seed: int, watcher: Watcher
) -> tuple[dict[str, Any], int]:
    """Serve the calls under one policy and account for them from the journal."""
    config = folder / f"{policy}.json"
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    write_config(config, places, policy=policy, port=port, seed=seed)
    async with gateway(config, address):
        watcher.serving(policy, address, len(calls))
        errors = await make_calls(calls, address, watcher.answered)
    result = await asyncio.to_thread(account, config.with_suffix(".sqlite"), policy, seed)
    return result, errors


async def _keep(folder: Path, places: Sequence[Place], seed: int, watcher: Watcher) -> None:
    config, port = folder / "keep.json", free_port()
    address = f"http://127.0.0.1:{port}"
    write_config(config, places, policy=OURS, port=port, seed=seed)
    async with gateway(config, address) as process:
        watcher.stage(f"the gateway stays at {address}/v1 until you press Ctrl-C")
        await process.wait()


def account(journal: Path, policy: str, seed: int) -> dict[str, Any]:
    """Add a journal up: the same accounts as any run's, from what was written while it ran."""
    _, entries = read(journal)
    ledger, at_s = None, 0.0
    for entry in entries:
        at_s = entry.at_s
        if ledger is None:
            if not isinstance(entry.value, Fleet):
                raise InvariantError(f"{journal} does not begin with the fleet")
            ledger = Ledger(entry.value.servers, at_s, services=entry.value.services)
        ledger(entry)
    if ledger is None:
        raise InvariantError(f"{journal} is empty")
    return ledger.result(scenario="demo", policy=policy, seed=seed, finished_at_s=at_s)


def _complaints(result: dict[str, Any], calls: int, errors: int) -> list[str]:
    """Say which laws did not hold, and whether the journal knows as many requests as the clients made."""
    broken = [f"{result['policy']}: the law {law} did not hold" for law, held in result["laws"].items() if not held]
    submitted = result["requests"]["submitted"]
    if submitted != calls:
        broken.append(f"{result['policy']}: {calls} calls were made, {submitted} are in the journal")
    unserved = submitted - result["requests"]["completed"]
    if errors != unserved:
        broken.append(f"{result['policy']}: clients saw {errors} errors, the journal has {unserved} unserved requests")
    return broken


def _unused_tiers(result: dict[str, Any]) -> list[str]:
    served: dict[str, int] = {}
    for server in result["servers"].values():
        served[server["tier"]] = served.get(server["tier"], 0) + server["completed"]
    return [f"no request was served by the {tier} tier" for tier, completed in served.items() if not completed]
