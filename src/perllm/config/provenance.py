"""Where the figures of devices, models and presets come from, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from perllm.config.catalogue import device, device_names, document_of, model, model_names, names_in, text_of
from perllm.config.device_schema import ModelShape
from perllm.config.figures import Named, Origin, Provenance, figures_in
from perllm.config.server_schema import Preset
from perllm.errors import ConfigError, nearest


def kind_of(name: str) -> str:
    """Say whether a name is a device's, a model's or a preset's. Raises ConfigError where it is nobody's."""
    known = {"device": device_names(), "model": model_names(), "preset": names_in()}
    for kind, names in known.items():
        if name in names:
            return kind
    everything = [each for names in known.values() for each in names]
    raise ConfigError(f"nothing is called {name!r}", key="NAME", remedy=nearest(name, everything))


def title_of(name: str) -> str:
    """Return a device's full name, and of anything else the first line of its file."""
    kind = kind_of(name)
    if kind == "device":
        return device(name).title
    first, *_ = text_of(name, "models" if kind == "model" else "").splitlines()
    return first.removeprefix("# ")


def figures_of(name: str) -> list[Named]:
    """List the figures of a device or of a model; of a preset those of its own and those of its hardware."""
    kind = kind_of(name)
    if kind == "device":
        return figures_in(device(name))
    if kind == "model":
        return _shape_figures(model(name))
    tree = document_of(name).tree
    preset = msgspec.convert(tree, Preset)
    own = _own_figures(tree, preset.origins)
    if preset.hardware is None:
        return own
    return [*own, *figures_of(preset.hardware.device), *figures_of(preset.hardware.model)]


def numbers_in(preset: Mapping[str, Any]) -> dict[str, float]:
    """List the numbers that a preset's file gives itself, by place, such as `speed.prefill_tokens_per_s`."""
    own = {key: value for key, value in preset.items() if key not in ("hardware", "origins")}
    return dict(_numbers(own, ""))


def _own_figures(tree: Mapping[str, Any], origins: Mapping[str, Provenance]) -> list[Named]:
    numbers = numbers_in(tree)
    return [
        Named(name=place, value=numbers[place], range=origin.range, kind=origin.kind, source=origin.source)
        for place, origin in origins.items()
    ]


def _shape_figures(shape: ModelShape) -> list[Named]:
    """Say a model's shape, which is exact, as figures."""
    return [
        Named(name=place, value=value, range=(value, value), kind=Origin.SHEET, source=shape.source)
        for place, value in _numbers(msgspec.to_builtins(shape), "")
    ]


def _numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{place}.{key}".removeprefix("."))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, float(value)
