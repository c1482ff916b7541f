"""The devices and models whose published figures come with PerLLM."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final, TypeVar

import msgspec

from perllm.config.device_schema import DeviceSection, ModelShape
from perllm.config.document import Document, parse
from perllm.config.mistakes import find_mistake

Kind = TypeVar("Kind", DeviceSection, ModelShape)

_FOLDER: Final = files("perllm.config") / "presets"
_SUFFIX: Final = ".yaml"


def names_in(folder: str = "") -> list[str]:
    """List the presets of a folder by name: combined ones lie at the top, `devices` and `models` below."""
    entries = (_FOLDER / folder).iterdir() if folder else _FOLDER.iterdir()
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in entries if entry.name.endswith(_SUFFIX))


def document_of(name: str, folder: str = "") -> Document:
    """Read one of them."""
    return parse(text_of(name, folder), f"preset {name}")


def text_of(name: str, folder: str = "") -> str:
    """Read one of them as it is written."""
    place = _FOLDER / folder if folder else _FOLDER
    return (place / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def device_names() -> list[str]:
    """List what `hardware.device` may name."""
    return names_in("devices")


def model_names() -> list[str]:
    """List what `hardware.model` may name."""
    return names_in("models")


@cache
def device(name: str) -> DeviceSection:
    """Return the figures of one of `device_names()`."""
    return _read(name, "devices", DeviceSection)


@cache
def model(name: str) -> ModelShape:
    """Return the shape of one of `model_names()`."""
    return _read(name, "models", ModelShape)


def _read(name: str, folder: str, kind: type[Kind]) -> Kind:
    document = document_of(name, folder)
    mistake = find_mistake(document.tree, kind)
    if mistake is not None:
        raise document.mistake(mistake.path, mistake.problem, mistake.remedy)
    return msgspec.convert(document.tree, kind)
