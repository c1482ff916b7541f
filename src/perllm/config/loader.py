"""From a path to a checked file: read, parse, fill in presets, hold to the schema, follow every reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from perllm.config.document import Document, parse, text_of
from perllm.config.mistakes import Mistake, find_mistake
from perllm.config.overrides import overridden
from perllm.config.presets import fill_in_presets
from perllm.config.references import gateway_mistake, scenario_mistake
from perllm.config.scenario_schema import ScenarioFile
from perllm.config.schema import GatewayFile
from perllm.errors import ConfigError

File = TypeVar("File", GatewayFile, ScenarioFile)


def load_gateway(path: Path) -> GatewayFile:
    """Read a perllm.yaml. Raises ConfigError for the first thing wrong with it."""
    return _load(path, GatewayFile, gateway_mistake)


def load_scenario(path: Path, sets: Sequence[str] = ()) -> ScenarioFile:
    """Read a scenario.yaml; files it names are found from its own folder. Raises ConfigError for the first mistake.

    `sets` are keys said otherwise, each as `path=value`.
    """
    file = _load(path, ScenarioFile, scenario_mistake, sets)
    trace, bandwidth, replace = file.workload.trace, file.world.bandwidth, msgspec.structs.replace
    if trace is not None:
        trace = replace(trace, file=str(path.parent / trace.file))
    if bandwidth is not None and bandwidth.file is not None:
        bandwidth = replace(bandwidth, file=str(path.parent / bandwidth.file))
    workload, world = replace(file.workload, trace=trace), replace(file.world, bandwidth=bandwidth)
    return replace(file, workload=workload, world=world)


def read_gateway(text: str, source: str) -> GatewayFile:
    """Read a perllm.yaml from its text; `source` names it in errors."""
    return _read(text, source, GatewayFile, gateway_mistake)


def read_scenario(text: str, source: str) -> ScenarioFile:
    """Read a scenario.yaml from its text; `source` names it in errors."""
    return _read(text, source, ScenarioFile, scenario_mistake)


def _load(
    path: Path, schema: type[File], wrong_reference: Callable[[File], Mistake | None], sets: Sequence[str] = ()
) -> File:
    return _read(text_of(path), str(path), schema, wrong_reference, sets)


def _read(
    text: str,
    source: str,
    schema: type[File],
    wrong_reference: Callable[[File], Mistake | None],
    sets: Sequence[str] = (),
) -> File:
    document = fill_in_presets(overridden(parse(text, source), sets))
    try:
        file = msgspec.convert(document.tree, schema)
    except msgspec.ValidationError as error:
        raise _error(document, find_mistake(document.tree, schema) or _as_told(error)) from None
    mistake = wrong_reference(file)
    if mistake is not None:
        raise _error(document, mistake)
    return file


def _error(document: Document, mistake: Mistake) -> ConfigError:
    return document.mistake(mistake.path, mistake.problem, mistake.remedy)


def _as_told(error: msgspec.ValidationError) -> Mistake:
    return Mistake(path=(), problem=str(error), remedy="docs/configure.md describes every key.")
