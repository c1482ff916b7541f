"""A preset, and what a command line says instead, to the engine an emulator plays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from perllm.config.document import dotted
from perllm.config.mistakes import find_mistake, nearest
from perllm.config.presets import is_path, preset_names, preset_over
from perllm.config.server_schema import ServerSection
from perllm.config.values import server_value
from perllm.domain.server import Server
from perllm.errors import ConfigError


def emulated_server(model: str, preset: str, own: Mapping[str, Any]) -> Server:
    """Make a server that serves `model`; `own` holds keys of a server's section that go before the preset's.

    Raises ConfigError for an unknown preset and for values that do not fit.
    """
    if not is_path(preset) and preset not in preset_names():
        raise ConfigError(f"no preset is called {preset!r}", key="--preset", remedy=nearest(preset, preset_names()))
    tree = {"tier": "edge", "models": [model], **preset_over(preset, own)}
    mistake = find_mistake(tree, ServerSection)
    if mistake is not None:
        raise ConfigError(mistake.problem, key=dotted(mistake.path), remedy=mistake.remedy)
    return server_value("emulated", msgspec.convert(tree, ServerSection), (model,))
