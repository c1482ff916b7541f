"""Presets: published figures of devices and models, to start from where nothing was measured yet."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from perllm.config.document import Document, KeyPath, parse
from perllm.config.mistakes import nearest

_FOLDER: Final = files("perllm.config") / "presets"
_SUFFIX: Final = ".yaml"


def preset_names() -> list[str]:
    """List what `preset:` may name."""
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in _FOLDER.iterdir() if entry.name.endswith(_SUFFIX))


def read_preset(name: str) -> Document:
    """Read one preset by its name."""
    return parse((_FOLDER / f"{name}{_SUFFIX}").read_text(encoding="utf-8"), f"preset {name}")


def fill_in_presets(document: Document) -> Document:
    """Return the document with every server's preset filled in below what the server says itself.

    Raises ConfigError where a preset does not exist. What is not shaped like a server is left for the schema to refuse.
    """
    tree = document.tree
    servers = tree.get("servers") if isinstance(tree, dict) else None
    if not isinstance(servers, dict):
        return document
    filled = {name: _filled_in(server, document, ("servers", name)) for name, server in servers.items()}
    return Document(source=document.source, tree={**tree, "servers": filled}, root=document.root)


def preset_over(name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a preset's figures with a server's `own` laid over them, key by key."""
    return dict(_laid_over(own, read_preset(name).tree))


def _filled_in(server: Any, document: Document, path: KeyPath) -> Any:
    name = server.get("preset") if isinstance(server, dict) else None
    if not isinstance(name, str):
        return server
    known = preset_names()
    if name not in known:
        raise document.mistake((*path, "preset"), f"no preset is called {name!r}", nearest(name, known))
    return preset_over(name, server)


def _laid_over(upper: Any, lower: Any) -> Any:
    if not (isinstance(upper, Mapping) and isinstance(lower, Mapping)):
        return upper
    return {**lower, **{key: _laid_over(value, lower.get(key)) for key, value in upper.items()}}
