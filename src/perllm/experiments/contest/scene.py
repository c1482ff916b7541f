"""A world as it can be simulated, and the key that says when a run of it need not be repeated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

import msgspec

import perllm
from perllm.config.catalogue import model_names
from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.config.scenario_schema import ScenarioFile
from perllm.config.server_schema import ServerSection
from perllm.errors import ConfigError
from perllm.experiments.contest.cell import Cell, World
from perllm.simulation.scenario import Scenario

# The rooms whose code decides what a run comes to.
_ROOMS: Final = ("domain", "costs", "scheduling", "accounting", "simulation", "config")
_OWN: Final = ("play.py", "row.py", "scene.py")
_KEY_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A scenario read once: its value, the model each server runs, and a digest of all it was made from."""

    scenario: Scenario
    models: dict[str, str]
    digest: str


def scene_of(world: World) -> Scene:
    """Read a world, once in a process. Raises ConfigError for what is wrong with it."""
    scene = _read(world.file, world.sets)
    workload = scene.scenario.workload
    if world.rate_per_s is not None and workload.trace is not None:
        raise ConfigError("a trace has a rate of its own", file=world.file, key="--rates", remedy="Leave them out.")
    workload = replace(
        workload,
        requests=world.requests or workload.requests,
        rate_per_s=world.rate_per_s or workload.rate_per_s,
    )
    return replace(scene, scenario=replace(scene.scenario, workload=workload))


def key_of(cell: Cell) -> str:
    """Return what a run depends on, told by one word: other code or another world gives another."""
    world = cell.world
    parts = (_read(world.file, world.sets).digest, world.rate_per_s, world.requests, cell.policy, cell.seed, cell.curve)
    return sha256(repr(parts).encode()).hexdigest()[:_KEY_DIGITS]


@cache
def code_digest() -> str:
    """Return a digest of the code, presets and tables that runs are made of."""
    digest, package = sha256(), Path(perllm.__file__).parent
    rooms = (path for room in _ROOMS for path in (package / room).rglob("*"))
    for path in sorted([*rooms, *(Path(__file__).parent / name for name in _OWN)]):
        if path.suffix in (".py", ".json", ".yaml", ".npz", ".npy"):
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:_KEY_DIGITS]


@lru_cache(maxsize=64)
def _read(file: str, sets: tuple[str, ...]) -> Scene:
    read = load_scenario(Path(file), sets)
    models = {server_id: _model(section) for server_id, section in read.servers.items()}
    return Scene(scenario=scenario_value(read), models=models, digest=_digest(read))


def _model(section: ServerSection) -> str:
    """Name what answers: the weights in the machine, not the name that clients use for them."""
    if section.hardware is not None:
        return section.hardware.model
    # What a preset without hardware was measured with stands in its name.
    named = [name for name in model_names() if section.preset and name in section.preset]
    return max(named, key=len) if named else section.preset or " or ".join(section.models)


def _digest(file: ScenarioFile) -> str:
    """Return a digest of a scenario and all files it names, wherever they lie on this machine."""
    trace, bandwidth, swap = file.workload.trace, file.world.bandwidth, msgspec.structs.replace
    digest = sha256(code_digest().encode())
    for named in (trace, bandwidth):
        if named is not None and named.file is not None:
            _add(digest, Path(named.file))
    if trace is not None:
        file = swap(file, workload=swap(file.workload, trace=swap(trace, file=Path(trace.file).name)))
    if bandwidth is not None and bandwidth.file is not None:
        file = swap(file, world=swap(file.world, bandwidth=swap(bandwidth, file=Path(bandwidth.file).name)))
    digest.update(msgspec.json.encode(file, order="deterministic"))
    return digest.hexdigest()


def _add(digest: Digest, path: Path) -> None:
    files = sorted(inner for inner in path.rglob("*") if inner.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(file.read_bytes() if file.is_file() else b"")


class Digest(Protocol):
    """What bytes can be added to."""

    def update(self, data: bytes, /) -> None: ...
