"""How near the simulator comes to real engines: the same journal twice, as it was and as the simulator plays it.

Three llama.cpp engines of different sizes, each with a share of a core and one behind a slow link, are measured by
`perllm calibrate`. Then the gateway serves traffic that calibration never saw, at several loads, each several times
with the very same arrivals; between the rounds the engines are measured again. Every journal is played again in a
simulated fleet. In the one that was measured before anything was served: what a user would have. And in the one that
all measurements together tell of, so that a machine that is not always equally fast is not taken for wrong physics:
once with the recorded decisions, which tests the physics alone, and once with decisions taken anew.

    python benchmarks/real_engines.py [--quick] [--out DIR] [--keep DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from evidence import write_evidence
from msgspec import to_builtins
from msgspec.structs import replace
from quota import Quotas
from real_fleet import KINDS, SEED, Running, calibrated, config, fleet, pooled
from real_report import show
from real_traffic import Call, Clients, clients, draw

from perllm.demo.fleet import free_port, gateway
from perllm.domain.profile import SpeedProfile
from perllm.simulation.counterfactual import read_past, replay_as_recorded, replay_freely

MAIN_POLICY: Final = "round-robin"
AT_ONCE: Final = 16
# A call of average size, for what everything takes when nothing else goes on.
PROBE: Final = Call(at_s=0.0, stream=False, words=50, answer_tokens=64)
PROBES: Final = 12
WARMING: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Traffic at a share of the capacity, for so long."""

    name: str
    policy: str
    fraction: float
    seconds: float


LOADS: Final = (
    Load(name="low", policy=MAIN_POLICY, fraction=0.25, seconds=60.0),
    Load(name="medium", policy=MAIN_POLICY, fraction=0.55, seconds=40.0),
    Load(name="near saturation", policy=MAIN_POLICY, fraction=0.90, seconds=40.0),
    Load(name="medium, cs-ucb", policy="cs-ucb", fraction=0.55, seconds=40.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is done."""

    calibrate_s: float
    saturate_s: float
    repeats: int
    loads: Sequence[Load]


FULL: Final = Plan(calibrate_s=20.0, saturate_s=18.0, repeats=5, loads=LOADS)
QUICK: Final = Plan(
    calibrate_s=12.0,
    saturate_s=9.0,
    repeats=2,
    loads=(
        Load(name="low", policy=MAIN_POLICY, fraction=0.25, seconds=15.0),
        Load(name="medium", policy=MAIN_POLICY, fraction=0.55, seconds=15.0),
    ),
)


@dataclass(slots=True, kw_only=True)
class Bench:
    """The engines, what calibrations have found of them, and where files go."""

    engines: list[Running]
    folder: Path
    found: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    load_averages: list[float] = field(default_factory=list)

    async def calibrate(self, seconds: float) -> None:
        """Measure every engine once more, one after the other."""
        for engine in self.engines:
            told = self.found.setdefault(engine.name, [])
            say(f"calibrating {engine.name}, {len(told) + 1}")
            told.append(await calibrated(engine, self.folder, seconds, len(told)))

    async def serve(self, policy: str, name: str, calls: Sequence[Call] | None, plan: Plan) -> Any:
        """Start a gateway; play calls and return the journal, or without calls find the capacity."""
        journal, file, port = self.folder / f"{name}.sqlite", self.folder / f"{name}.yaml", free_port()
        profiles = {name: told[0]["profile"] for name, told in self.found.items()}
        file.write_text(config(self.engines, profiles, policy=policy, port=port, journal=journal))
        address = f"http://127.0.0.1:{port}"
        async with gateway(file, address), clients(address, SEED) as some:
            if calls is None:
                return await some.saturate(draw(99, 1000.0, 2.0), AT_ONCE, plan.saturate_s)
            answers = await some.play(calls)
        bad = sum(answer.status != 200 for answer in answers)
        if bad:
            raise RuntimeError(f"{bad} of {len(calls)} calls of {name} failed")
        self.load_averages.append(os.getloadavg()[0])
        return {"journal": journal, "client_s": [answer.took_s for answer in answers]}


async def measure(plan: Plan, folder: Path) -> dict[str, Any]:
    """Do everything; return what came of it."""
    with Quotas() as quotas:
        # This process with its clients and links, and the gateways it starts.
        quotas.limit(os.getpid(), None)
        async with fleet(quotas) as (engines, limited):
            bench = Bench(engines=engines, folder=folder)
            await bench.calibrate(plan.calibrate_s)
            say("disturbance")
            disturbance = await disturbed(engines)
            runs = await run_all(bench, plan)
            throttled = {engine.name: quotas.throttled_fraction(engine.pid) for engine in engines} if limited else None
    return {
        "policy": MAIN_POLICY,
        "engines": {name: asdict(kind) for name, kind in KINDS.items()},
        "limited": limited,
        "throttled_fraction": throttled,
        "profiles": {name: told[0]["profile"] for name, told in bench.found.items()},
        "calibration": {
            name: [{key: one[key] for key in ("points", "residuals", "warnings", "remarks")} for one in told]
            for name, told in bench.found.items()
        },
        "disturbance": disturbance,
        "load_average": {"median": median(bench.load_averages), "most": max(bench.load_averages)},
        **runs,
    }


async def disturbed(engines: Sequence[Running]) -> dict[str, Any]:
    """Time one call at a time on each engine, alone and while the others are kept busy."""
    told = {}
    for engine in engines:
        others = [other for other in engines if other is not engine]
        async with clients(engine.url, SEED) as some:
            await probe(some, WARMING // 2)
            alone_s = await probe(some, PROBES)
            busy = asyncio.gather(*(keep_busy(other, alone_s * (PROBES + 4)) for other in others))
            beside_s = await probe(some, PROBES)
            await busy
        told[engine.name] = {"alone_s": alone_s, "beside_s": beside_s, "slower": beside_s / alone_s - 1.0}
    return told


async def probe(some: Clients, times: int) -> float:
    return median([await some.one(PROBE) for _ in range(times)])


async def keep_busy(engine: Running, seconds: float) -> None:
    async with clients(engine.url, SEED) as some:
        await some.saturate(draw(98, 1000.0, 1.0), 2, seconds)


async def run_all(bench: Bench, plan: Plan) -> dict[str, Any]:
    """Find each policy's capacity, then run all loads once, all of them again, and so on: drift spreads over all."""
    capacities: dict[str, float] = {}
    for load in plan.loads:
        if load.policy not in capacities:
            say(f"capacity under {load.policy}")
            capacities[load.policy] = await bench.serve(load.policy, f"capacity-{load.policy}", None, plan)
    served: dict[str, list[Any]] = {load.name: [] for load in plan.loads}
    for number in range(plan.repeats):
        for place, load in enumerate(plan.loads):
            say(f"{load.name}, {number + 1} of {plan.repeats}")
            calls = draw(SEED + place, load.fraction * capacities[load.policy], load.seconds)
            name = f"{load.name.replace(' ', '-').replace(',', '')}-{number}"
            served[load.name].append(await bench.serve(load.policy, name, calls, plan))
        await bench.calibrate(plan.calibrate_s)
    speeds = {name: pooled(told) for name, told in bench.found.items()}
    return {
        "capacity_per_s": capacities,
        "loads": [asdict(load) for load in plan.loads],
        "speeds": {name: to_builtins(speed) for name, speed in speeds.items()},
        "runs": {name: [replayed(one, speeds) for one in each] for name, each in served.items()},
    }


def replayed(served: Mapping[str, Any], speeds: Mapping[str, SpeedProfile]) -> dict[str, Any]:
    """Play a journal every way and say how it compares."""
    past = read_past(served["journal"])
    servers = [replace(server, speed=speeds[server.server_id]) for server in past.fleet.servers]
    as_recorded, freely = replay_as_recorded(past, servers=servers), replay_freely(past, servers=servers)
    return {
        "beforehand": replay_as_recorded(past).comparison.as_json(),
        "as_recorded": as_recorded.comparison.as_json(),
        "freely": freely.comparison.as_json(),
        "guesses": asdict(as_recorded.guesses),
        "lost_entries": past.lost_entries,
        "requests_s": [pair.real_s for pair in as_recorded.comparison.pairs],
        "played_s": [pair.played_s for pair in as_recorded.comparison.pairs],
        "client_p50_s": median(served["client_s"]),
        "ended_at_s": past.ended_at_s,
    }


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what} (load average {os.getloadavg()[0]:.2f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few minutes, to see that it works")
    parser.add_argument("--out", type=Path, help="write real_engines.json there")
    parser.add_argument("--keep", type=Path, help="keep configs, journals and profiles there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(measure(QUICK if arguments.quick else FULL, folder))
        (folder / "result.json").write_text(json.dumps(result, indent=2))
    told = show(result)
    if arguments.out is not None:
        write_evidence(arguments.out, "real_engines", told)


if __name__ == "__main__":
    main()
