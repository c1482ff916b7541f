"""Length sets: quantiles of prompts and answers of public traces, shipped so that nothing has to be downloaded."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
from msgspec import Struct

from perllm.errors import ConfigError
from perllm.simulation.lengths import TableLengths

_FOLDER: Final = files("perllm.simulation") / "length_tables"
_SUFFIX: Final = ".json"


class LengthSet(Struct, frozen=True, kw_only=True):
    """Lengths fitted to one source. `fit` says how; `statistics` are those of the source itself.

    `arrivals` says how the requests of one client came: process, coefficient of variation, share of all requests.
    """

    name: str
    source: str
    licence: str
    fit: str
    statistics: dict[str, dict[str, float]]
    prompt_tokens: TableLengths
    output_tokens: TableLengths
    arrivals: dict[str, Any] | None = None


class _File(Struct, frozen=True, kw_only=True):
    source: str
    licence: str
    fit: str
    statistics: dict[str, dict[str, float]]
    probabilities: tuple[float, ...]
    prompt_tokens: tuple[float, ...]
    output_tokens: tuple[float, ...]
    arrivals: dict[str, Any] | None = None


@cache
def length_set_names() -> tuple[str, ...]:
    """List the sets there are."""
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in _FOLDER.iterdir() if file.name.endswith(_SUFFIX)))


@cache
def length_set(name: str) -> LengthSet:
    """Return the set of this name. Raises ConfigError if there is none."""
    if name not in length_set_names():
        raise ConfigError(f"there is no length set called {name!r}", remedy=f"Known: {', '.join(length_set_names())}.")
    file = msgspec.json.decode((_FOLDER / f"{name}{_SUFFIX}").read_bytes(), type=_File)
    return LengthSet(
        name=name,
        source=file.source,
        licence=file.licence,
        fit=file.fit,
        statistics=file.statistics,
        prompt_tokens=_table(file.probabilities, file.prompt_tokens),
        output_tokens=_table(file.probabilities, file.output_tokens),
        arrivals=file.arrivals,
    )


def _table(probabilities: tuple[float, ...], tokens: tuple[float, ...]) -> TableLengths:
    return TableLengths(
        probabilities=probabilities, tokens=tokens, minimum=max(int(tokens[0]), 1), maximum=int(tokens[-1])
    )
