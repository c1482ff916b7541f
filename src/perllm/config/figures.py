"""A published figure: what it is, between which bounds it lies, how it came about, and who says so."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from msgspec import Struct

from perllm.config.kinds import NotNegative, Section, Text


class Origin(StrEnum):
    """How a figure came about."""

    MEASURED = "measured"
    """Somebody measured this very thing."""
    DERIVED = "derived"
    """It follows from what somebody measured."""
    SHEET = "sheet"
    """The maker says so, of a device or of a program."""
    ASSUMED = "assumed"
    """Nobody has said; we had to put something here."""


class Figure(Section, frozen=True, kw_only=True):
    """One constant of a preset. The range is where we would believe another value."""

    value: NotNegative
    range: tuple[NotNegative, NotNegative]
    kind: Origin
    source: Text

    def __post_init__(self) -> None:
        """Refuse a value outside of its own range."""
        low, high = self.range
        if not low <= self.value <= high:
            raise ValueError(f"{self.value:g} lies outside of its range, {low:g} to {high:g}")


class Provenance(Section, frozen=True, kw_only=True):
    """The same of a number that stands elsewhere."""

    range: tuple[NotNegative, NotNegative]
    kind: Origin
    source: Text


class Named(Struct, frozen=True, kw_only=True):
    """A figure with the place it has in its file, such as `formats.fp16.weights_efficiency`."""

    name: str
    value: float
    range: tuple[float, float]
    kind: Origin
    source: str


def figures_in(section: Section) -> list[Named]:
    """List every figure of a section and of the sections in it."""
    return [
        Named(name=name, value=figure.value, range=figure.range, kind=figure.kind, source=figure.source)
        for name, figure in _walked(section, "")
    ]


def _walked(value: Any, place: str) -> Iterator[tuple[str, Figure]]:
    if isinstance(value, Figure):
        yield place, value
        return
    inner = value if isinstance(value, dict) else _fields_of(value)
    for name, item in inner.items():
        yield from _walked(item, f"{place}.{name}".removeprefix("."))


def _fields_of(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__} if isinstance(value, Struct) else {}
