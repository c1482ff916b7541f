"""The demo's fleet: two slow engines at the edge, a fast one behind a delayed link, and the gateway before them."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from perllm.demo.delayed_link import DelayedLink, Direction
from perllm.demo.launcher import EngineSpec, launch
from perllm.demo.tiny_model import tiny_model
from perllm.demo.traffic import LOADS
from perllm.domain.service import Service
from perllm.errors import UpstreamError

# The mean answer baked into both models: Alpaca's (see traffic). Services with longer answers shift it per request.
MODEL_MEAN_TOKENS = 48.3
MODEL = "tiny"
SLOTS = 2
SLOT_TOKENS = 1024
SEED = 1

# The cloud is 40 ms away (a region of one's own continent) on a 100 Mbit/s uplink.
CLOUD_RTT_S = 0.04
LINK_BYTES_PER_S = 100e6 / 8

_READY_LIMIT_S = 15.0
_STOP_LIMIT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredWatts:
    """What a machine is declared to draw; nothing here is measured, and every joule of the demo says so."""

    idle_w: float
    prefill_w: float
    decode_w: float
    decode_full_w: float


# A Jetson Orin Nano Super (NVIDIA's power modes: 7-25 W): all of it for prompts; 18 W for answers is an assumption, the
# same for one and for several, since the demo's engine has one thread either way.
EDGE_WATTS = DeclaredWatts(idle_w=7.0, prefill_w=25.0, decode_w=18.0, decode_full_w=18.0)
# An A100-80 with a model loaded: idle 85 W, 230 W decoding one answer, 320 W a full batch, 400 W reading prompts.
CLOUD_WATTS = DeclaredWatts(idle_w=85.0, prefill_w=400.0, decode_w=230.0, decode_full_w=320.0)
WATTS = MappingProxyType({"edge": EDGE_WATTS, "cloud": CLOUD_WATTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One engine as the gateway reaches it."""

    name: str
    url: str
    tier: str
    preset: str


@asynccontextmanager
async def engines() -> AsyncIterator[list[Place]]:
    """Start the engines and the link; give where they are."""
    slow = await asyncio.to_thread(tiny_model, "60m", mean_output_tokens=MODEL_MEAN_TOKENS, seed=SEED)
    fast = await asyncio.to_thread(tiny_model, "5m", mean_output_tokens=MODEL_MEAN_TOKENS, seed=SEED)
    specs = [EngineSpec(name=MODEL, model=model, slots=SLOTS, slot_tokens=SLOT_TOKENS) for model in (slow, slow, fast)]
    lane = Direction(delay_s=CLOUD_RTT_S / 2, bytes_per_s=LINK_BYTES_PER_S)
    async with launch(specs) as (edge_1, edge_2, cloud):
        there = urlsplit(cloud.url)
        async with DelayedLink(str(there.hostname), int(there.port or 80), up=lane, down=lane) as link:
            host, port = link.address[:2]
            yield [
                Place(name="edge-1", url=edge_1.url, tier="edge", preset="tiny-60m-q8"),
                Place(name="edge-2", url=edge_2.url, tier="edge", preset="tiny-60m-q8"),
                Place(name="cloud", url=f"http://{host}:{port}", tier="cloud", preset="tiny-5m-f16"),
            ]


@asynccontextmanager
async def gateway(config: Path, address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `perllm serve` until the block ends; raise UpstreamError if it does not come up or go down."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perllm.cli", "serve", str(config), "--until-input-ends",
        # Its input ends with this process, however that ends, and so does it.
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        await _ready(process, address)
        yield process
    except BaseException:
        # What went wrong above says more than how the gateway then ended.
        with suppress(UpstreamError):
            await _stop(process)
        raise
    await _stop(process)


async def _ready(process: asyncio.subprocess.Process, address: str) -> None:
    """Wait until the gateway answers."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(_READY_LIMIT_S):
        while process.returncode is None:
            with suppress(aiohttp.ClientError):
                async with session.get(f"{address}/health") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
    raise UpstreamError(f"the gateway did not start: {await _last_words(process)}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    await _gone(process)


async def _gone(process: asyncio.subprocess.Process) -> None:
    """Wait for the gateway's end, by force where it must be; a bad end is an error."""
    try:
        async with asyncio.timeout(_STOP_LIMIT_S):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise UpstreamError("the gateway did not stop when asked to") from None
    if process.returncode:
        raise UpstreamError(f"the gateway ended with status {process.returncode}: {said.decode(errors='replace')}")


async def _last_words(process: asyncio.subprocess.Process) -> str:
    _, said = await process.communicate()
    return said.decode(errors="replace").strip() or "it said nothing"


def write_config(path: Path, places: Sequence[Place], *, policy: str, port: int, seed: int) -> None:
    """Write the gateway's configuration for a fleet, as a user would (JSON is YAML)."""
    config = {
        "listen": {"host": "127.0.0.1", "port": port},
        "journal": {"path": str(path.with_suffix(".sqlite"))},
        "scheduler": {"policy": policy, "seed": seed},
        "services": {load.service.name: _service(load.service) for load in LOADS},
        "servers": {place.name: _server(place) for place in places},
    }
    path.write_text(json.dumps(config, indent=2))


def _service(service: Service) -> dict[str, Any]:
    requirement = {"total_s": service.requirement.total_s, "first_token_s": service.requirement.first_token_s}
    section: dict[str, Any] = {
        "requirement": {key: seconds for key, seconds in requirement.items() if seconds is not None},
        "expect": {"output_tokens": service.output_tokens},
    }
    if service.tiers is not None:
        section["privacy"] = {"tiers": sorted(service.tiers)}
    return section


def _server(place: Place) -> dict[str, Any]:
    watts = WATTS[place.tier]
    section: dict[str, Any] = {
        "url": place.url,
        "engine": "llamacpp",
        "tier": place.tier,
        "models": [MODEL],
        "preset": place.preset,
        "slots": SLOTS,
        "context_tokens": SLOT_TOKENS,
        "kv_tokens": SLOTS * SLOT_TOKENS,
        "power": {
            "idle_w": watts.idle_w,
            "prefill_w": watts.prefill_w,
            "decode_w": watts.decode_w,
            "decode_full_w": watts.decode_full_w,
        },
    }
    if place.tier == "cloud":
        # 30 nJ/bit: what one more bit costs on a wired network (Malmodin's marginal 0.03 W per Mbit/s).
        section["link"] = {
            "rtt_ms": CLOUD_RTT_S * 1000,
            "up_mbit_per_s": 100,
            "down_mbit_per_s": 100,
            "nj_per_bit": 30,
        }
    return section


def free_port() -> int:
    """Find a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
