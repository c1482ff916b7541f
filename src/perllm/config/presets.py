"""Presets and hardware: published figures filled in below what a server says itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from perllm.config.catalogue import document_of, names_in
from perllm.config.document import Document, KeyPath, dotted, parse, text_of
from perllm.config.hardware import derived, hardware_mistake
from perllm.config.mistakes import find_mistake
from perllm.config.server_schema import HardwareSection, Preset, TimingSection
from perllm.config.values import timed_profile
from perllm.costs.time import decode_step_s
from perllm.errors import ConfigError, nearest

_PATH_SIGNS: Final = ("/", "\\", ".yaml", ".yml")
_MS_PER_S: Final = 1000.0


def preset_names() -> list[str]:
    """List what `preset:` may name, files aside."""
    return names_in()


def read_preset(name: str) -> Document:
    """Read one of the presets that come with PerLLM."""
    return document_of(name)


def fill_in_presets(document: Document) -> Document:
    """Return the document with every server's preset and hardware filled in below what the server says itself.

    Raises ConfigError where a preset does not exist or hardware does not fit. What is not shaped like a server is left
    for the schema to refuse.
    """
    tree = document.tree
    servers = tree.get("servers") if isinstance(tree, dict) else None
    if not isinstance(servers, dict):
        return document
    filled = {name: _filled_in(server, document, ("servers", name)) for name, server in servers.items()}
    return Document(source=document.source, tree={**tree, "servers": filled}, root=document.root)


def preset_over(name: str, own: Mapping[str, Any], folder: Path = Path()) -> dict[str, Any]:
    """Return a preset's figures with a server's `own` laid over them, key by key.

    `name` is one of `preset_names()` or a file, sought in `folder`. Raises ConfigError where the file is wrong.
    """
    preset = parse(text_of(folder / name), str(folder / name)) if is_path(name) else read_preset(name)
    return _over_preset(own, preset, preset, ())


def is_path(name: str) -> bool:
    """Say whether a `preset:` means a file."""
    return any(sign in name if len(sign) == 1 else name.endswith(sign) for sign in _PATH_SIGNS)


def with_hardware(server: dict[str, Any], document: Document, path: KeyPath) -> dict[str, Any]:
    """Return a server with what follows from its hardware below what it says itself. ConfigError if none can."""
    hardware = server.get("hardware")
    if hardware is None or find_mistake(hardware, HardwareSection) is not None:
        return server
    rivals = [key for key in ("speed", "timing") if server.get(key) is not None]
    if rivals:
        problem = f"hardware and {rivals[0]} say the same thing in two ways: give one of them"
        raise document.mistake((*path, "hardware"), problem, "Remove one of them.")
    section = msgspec.convert(hardware, HardwareSection)
    mistake = hardware_mistake(section)
    if mistake is not None:
        raise document.mistake((*path, "hardware", *mistake.path), mistake.problem, mistake.remedy)
    return dict(_merged(server, derived(section, _count(server, "slots"), _count(server, "context_tokens"))))


def from_hardware(hardware: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a server that follow from its hardware, for a command line. ConfigError where none do."""
    section = msgspec.convert(hardware, HardwareSection)
    mistake = hardware_mistake(section)
    if mistake is not None:
        key = dotted(mistake.path)
        option = key.upper() if key in ("device", "model") else f"--{key}"
        raise ConfigError(mistake.problem, key=option, remedy=mistake.remedy)
    return {"hardware": dict(hardware), **derived(section)}


def _filled_in(server: Any, document: Document, path: KeyPath) -> Any:
    if not isinstance(server, dict):
        return server
    name = server.get("preset")
    if not isinstance(name, str):
        return with_hardware(server, document, path)
    file = Path(document.source).parent / name
    if not is_path(name):
        if name not in preset_names():
            remedy = nearest(name, preset_names())
            raise document.mistake((*path, "preset"), f"no preset is called {name!r}", remedy)
        return _over_preset(server, read_preset(name), document, path)
    if not file.is_file():
        raise document.mistake((*path, "preset"), f"there is no file {file}", "Check its name.")
    return _over_preset(server, parse(text_of(file), str(file)), document, path)


def _over_preset(own: Mapping[str, Any], preset: Document, document: Document, path: KeyPath) -> dict[str, Any]:
    """Lay `own` over a preset. Of several ways to say a server's speed its own stays."""
    mistake = find_mistake(preset.tree, Preset)
    if mistake is not None:
        raise preset.mistake(mistake.path, mistake.problem, mistake.remedy)
    tree = _without(preset.tree, "origins")
    if isinstance(own.get("hardware"), Mapping):
        return with_hardware(_merged(own, _without(tree, "speed", "timing")), document, path)
    lower = with_hardware(tree, preset, ())
    if own.get("timing") is not None:
        lower = _without(lower, "speed", "hardware")
    elif own.get("speed") is not None and "timing" in lower:
        lower = {**_without(lower, "timing", "hardware"), "speed": _as_speed(lower)}
    return dict(_merged(own, lower))


def _as_speed(server: Mapping[str, Any]) -> dict[str, float]:
    """Say a server's timing as rates, so that a file can change one of them."""
    profile = timed_profile(msgspec.convert(server["timing"], TimingSection))
    slots = int(server.get("slots", 1))
    rates = {
        "prefill_tokens_per_s": 1.0 / profile.prefill_token_s,
        "decode_tokens_per_s": 1.0 / decode_step_s(profile, 1),
        "step_overhead_ms": profile.step_overhead_s * _MS_PER_S,
        "request_overhead_ms": profile.request_overhead_s * _MS_PER_S,
    }
    if slots == 1:
        return rates
    return {**rates, "batch_size": slots, "batch_decode_tokens_per_s": slots / decode_step_s(profile, slots)}


def _count(server: Mapping[str, Any], key: str) -> int | None:
    """Return a whole number that a server gives; one that does not fit is left for the schema to refuse."""
    value = server.get(key)
    return value if type(value) is int and value > 0 else None


def _without(server: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {name: value for name, value in server.items() if name not in keys}


def _merged(upper: Any, lower: Any) -> Any:
    if not (isinstance(upper, Mapping) and isinstance(lower, Mapping)):
        return upper
    return {**lower, **{key: _merged(value, lower.get(key)) for key, value in upper.items()}}
