"""A preset, and what a command line says instead, to the engine an emulator plays."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from perllm.config.document import KeyPath, dotted
from perllm.config.mistakes import find_mistake
from perllm.config.presets import is_path, preset_names, preset_over
from perllm.config.server_schema import ServerSection
from perllm.config.values import server_value
from perllm.domain.server import Server
from perllm.errors import ConfigError, nearest

# Whoever emulates types options and knows no keys: the longest path that fits says which.
_OPTIONS: Final[Mapping[KeyPath, str]] = MappingProxyType(
    {
        ("models",): "--model",
        ("slots",): "--slots",
        ("speed",): "--prefill, --decode",
        ("speed", "prefill_tokens_per_s"): "--prefill",
        ("speed", "decode_tokens_per_s"): "--decode",
        ("power",): "--idle-w, --busy-w",
        ("power", "idle_w"): "--idle-w",
        **{("power", key): "--busy-w" for key in ("prefill_w", "decode_w", "decode_full_w")},
    }
)


def emulated_server(model: str, preset: str, own: Mapping[str, Any]) -> Server:
    """Make a server that serves `model`; `own` holds keys of a server's section that go before the preset's.

    Raises ConfigError, in terms of the options of `perllm emulate`, for an unknown preset and for values that do not
    fit.
    """
    if not is_path(preset) and preset not in preset_names():
        raise ConfigError(f"no preset is called {preset!r}", key="--preset", remedy=nearest(preset, preset_names()))
    _check_power(preset, own.get("power", {}))
    tree = {"tier": "edge", "models": [model], **preset_over(preset, own)}
    mistake = find_mistake(tree, ServerSection)
    if mistake is not None:
        raise ConfigError(mistake.problem, key=_option(mistake.path), remedy=mistake.remedy)
    return server_value("emulated", msgspec.convert(tree, ServerSection), (model,))


def _check_power(preset: str, own: Mapping[str, Any]) -> None:
    """Refuse half a power profile on top of a preset that has none."""
    if not own or "power" in preset_over(preset, {}):
        return
    given, missing = ("--idle-w", "--busy-w") if "idle_w" in own else ("--busy-w", "--idle-w")
    if not {"idle_w", "decode_w"} <= own.keys():
        raise ConfigError(
            f"{given} needs it, for the preset {preset} does not know what its machine draws",
            key=missing,
            remedy=f"Give both, or leave {given} out.",
        )


def _option(path: KeyPath) -> str:
    lengths = range(len(path), 0, -1)
    return next((_OPTIONS[path[:length]] for length in lengths if path[:length] in _OPTIONS), dotted(path))
