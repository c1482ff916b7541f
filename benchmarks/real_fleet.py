"""A small fleet of real llama.cpp engines on one machine, unlike each other, each measured by `perllm calibrate`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from quota import Quotas
from real_traffic import ANSWER, MODEL

from perllm.demo.delayed_link import DelayedLink, Direction
from perllm.demo.launcher import EngineSpec, launch
from perllm.demo.tiny_model import ModelSize, tiny_model
from perllm.domain.profile import SpeedProfile
from perllm.experiments.calibrate.conclusions import conclude
from perllm.experiments.calibrate.samples import FirstToken, LinkTimes, Step

SLOTS: Final = 4
SLOT_TOKENS: Final = 1024
SEED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What an engine is made of: its model, its share of a core, and the way to it."""

    size: ModelSize
    share: float
    tier: str
    rtt_s: float = 0.0
    bytes_per_s: float = 125e6


# Together well below two cores: what is left of those is the gateway's and the clients'.
KINDS: Final[Mapping[str, Kind]] = {
    "edge-1": Kind(size="20m", share=0.6, tier="edge"),
    "edge-2": Kind(size="5m", share=0.2, tier="edge"),
    "cloud": Kind(size="5m", share=0.25, tier="cloud", rtt_s=0.04, bytes_per_s=20e6 / 8),
}
# Idle, writing, reading. Declared, so that joules can be compared at all; nothing here measures any.
_WATTS: Final = {"edge": (7.0, 18.0, 25.0), "cloud": (85.0, 230.0, 400.0)}
SERVICES: Final[Mapping[str, Any]] = {
    "chat": {"requirement": {"total_s": 2.0, "first_token_s": 0.5}, "expect": {"output_tokens": ANSWER[0]}},
    "assist": {"requirement": {"total_s": 1.5}, "expect": {"output_tokens": ANSWER[0]}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An engine: where the gateway reaches it, and its process."""

    name: str
    kind: Kind
    url: str
    pid: int


@asynccontextmanager
async def fleet(quotas: Quotas) -> AsyncIterator[tuple[list[Running], bool]]:
    """Start everything; gives the engines, and whether each has but its share of a core."""
    kinds = list(KINDS.values())
    models = {kind.size: await asyncio.to_thread(_model, kind.size) for kind in kinds}
    specs = [EngineSpec(name=MODEL, model=models[kind.size], slots=SLOTS, slot_tokens=SLOT_TOKENS) for kind in kinds]
    async with launch(specs) as started, AsyncExitStack() as links:
        limited = [quotas.limit(engine.pid, kind.share) for engine, kind in zip(started, kinds, strict=True)]
        running = []
        for (name, kind), engine in zip(KINDS.items(), started, strict=True):
            url = await _linked(engine.url, kind, links) if kind.rtt_s else engine.url
            running.append(Running(name=name, kind=kind, url=url, pid=engine.pid))
        yield running, all(limited)


def _model(size: ModelSize) -> Path:
    return tiny_model(size, mean_output_tokens=ANSWER[0], seed=SEED)


async def _linked(url: str, kind: Kind, links: AsyncExitStack) -> str:
    """Put a link before an engine and return the address at its near end."""
    lane, there = Direction(delay_s=kind.rtt_s / 2, bytes_per_s=kind.bytes_per_s), urlsplit(url)
    link = DelayedLink(str(there.hostname), int(there.port or 80), up=lane, down=lane)
    host, port = (await links.enter_async_context(link)).address[:2]
    return f"http://{host}:{port}"


async def calibrated(engine: Running, folder: Path, seconds: float, number: int) -> dict[str, Any]:
    """Let `perllm calibrate` measure an engine; return all it found, its profile among that."""
    profile, found = (folder / f"{engine.name}-calibrated-{number}.{end}" for end in ("yaml", "json"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perllm.cli", "calibrate", engine.url, "--seconds", str(seconds)),
        *("--out", str(profile), "--json", str(found)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{engine.name} could not be calibrated: {said.decode()}")
    told: dict[str, Any] = json.loads(found.read_text())
    return told


def pooled(found: Sequence[Mapping[str, Any]]) -> SpeedProfile:
    """Fit one profile to what several calibrations of an engine have measured."""
    samples = [told["samples"] for told in found]
    links = [told["link"] for told in found]
    up_bytes_per_s = [link["up_bytes_per_s"] for link in links if link["up_bytes_per_s"] is not None]
    link = LinkTimes(
        connect_s=median(link["connect_s"] for link in links),
        request_s=median(link["request_s"] for link in links),
        up_bytes_per_s=median(up_bytes_per_s) if up_bytes_per_s else None,
    )
    first_tokens = [FirstToken(**sample) for told in samples for sample in told["first_token"]]
    steps = [Step(**sample) for told in samples for sample in told["step"]]
    return conclude(first_tokens, steps, link, None).profile


def config(
    engines: list[Running], profiles: Mapping[str, Mapping[str, Any]], *, policy: str, port: int, journal: Path
) -> str:
    """Write the gateway's configuration as a user would: each server is its calibrated profile and what it draws."""
    file = {
        "listen": {"host": "127.0.0.1", "port": port},
        "journal": {"path": str(journal)},
        "scheduler": {"policy": policy, "seed": SEED},
        "services": dict(SERVICES),
        "servers": {engine.name: _server(engine, profiles[engine.name]) for engine in engines},
    }
    return yaml.safe_dump(file, sort_keys=False)


def _server(engine: Running, profile: Mapping[str, Any]) -> dict[str, Any]:
    idle_w, decode_w, prefill_w = _WATTS[engine.kind.tier]
    return {
        "url": engine.url,
        "engine": "llamacpp",
        "tier": engine.kind.tier,
        "models": [MODEL],
        **profile,
        # No prompt begins like another here.
        "caches_prefixes": False,
        "power": {"idle_w": idle_w, "decode_w": decode_w, "decode_full_w": decode_w, "prefill_w": prefill_w},
    }
