"""Conversations with an emulated engine: over real sockets, on virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from aiohttp import ClientSession

from perllm.emulator.settings import EmulatorSettings
from perllm.simulation.trouble import Outage
from tests.parity.harness import client, serve_emulator
from tests.parity.virtual_loop import run_virtual
from tests.unit.simulation.machines import SERVER

T = TypeVar("T")
SETTINGS = EmulatorSettings(server=SERVER, model="m", frames_every_s=1.0)
TRUTH = {"prompt_tokens": 100, "output_tokens": 11, "upload_bytes": 1000, "service_factor": 1.0, "link_factor": 1.0}


def ask(
    talk: Callable[[ClientSession, str], Awaitable[T]],
    settings: EmulatorSettings = SETTINGS,
    outages: Iterable[Outage] = (),
) -> T:
    """Talk to an emulator on virtual time."""

    async def conversation() -> T:
        async with serve_emulator(settings, outages) as address, client() as session:
            return await talk(session, f"{address}/v1")

    return run_virtual(conversation())


def chat(**members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "emulate": TRUTH, **members}
