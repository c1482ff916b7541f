"""`--set path=value`: keys of a file said on the command line instead, before presets are filled in below them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from perllm.config.document import Document, KeyPath, dotted, parse
from perllm.errors import ConfigError, nearest

OPTION: Final = "--set"

_STEP: Final = re.compile(r"[^.\[\]]+|\[\d+\]")
_SHAPE: Final = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[\d+\])*")
# Sections of names that the file itself gives: what stands in none of them was mistyped.
_NAMED: Final[Mapping[KeyPath, str]] = {
    ("servers",): "server", ("services",): "service", ("workload", "loads"): "load",
}  # fmt: skip
_EXAMPLE: Final = "Write it as servers.cloud.slots=2."


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What shall stand at `path` instead; None takes the key out. A step with `*` means every key that it fits."""

    path: KeyPath
    value: Any


def override_of(text: str) -> Override:
    """Read `path=value`, the value as YAML. Raises ConfigError for what is no such thing."""
    path, equals, value = text.partition("=")
    if not equals or not _SHAPE.fullmatch(path):
        raise ConfigError(f"{text!r} is no path=value", key=OPTION, remedy=_EXAMPLE)
    if not value.strip():
        raise ConfigError("there is no value", key=f"{OPTION} {path}", remedy="Give one; null takes the key out.")
    steps = tuple(int(step[1:-1]) if step.startswith("[") else step for step in _STEP.findall(path))
    return Override(path=steps, value=_value(value, f"{OPTION} {path}"))


def overridden(document: Document, texts: Sequence[str]) -> Document:
    """Return a document that says what these say. Raises ConfigError where there is nothing to say it of."""
    for override in map(override_of, texts):
        for path in list(_places(document.tree, override.path)):
            tree = _with(document, path, override.value)
            document = replace(document, tree=tree, sets=(*document.sets, path))
    return document


def _value(text: str, source: str) -> Any:
    # The reader of files takes a lone null for an empty file.
    return parse(f"value: {text}" if "\n" not in text else text, source).tree["value"]


def _places(tree: Any, path: KeyPath, so_far: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the paths that one with `*` stands for."""
    if not path:
        yield so_far
        return
    step, rest = path[0], path[1:]
    if not isinstance(step, str) or "*" not in step:
        yield from _places(_child(tree, step), rest, (*so_far, step))
        return
    fitting = [key for key in tree if fnmatchcase(str(key), step)] if isinstance(tree, Mapping) else []
    if not fitting:
        raise ConfigError("no key fits", key=f"{OPTION} {dotted((*so_far, step))}", remedy=_known(tree))
    for key in fitting:
        yield from _places(tree[key], rest, (*so_far, key))


def _with(document: Document, path: KeyPath, value: Any) -> Any:
    """Return the tree with one value exchanged. Sections that YAML anchors share are copied, not changed."""

    def below(node: Any, at: int) -> Any:
        if at == len(path):
            return value
        step = path[at]
        _check(node, path, at, value)
        if isinstance(node, list):
            return [below(item, at + 1) if place == step else item for place, item in enumerate(node)]
        others = {} if node is None else node
        if at == len(path) - 1 and value is None:
            return {key: item for key, item in others.items() if key != step}
        return {**others, step: below(others.get(step), at + 1)}

    return below(document.tree, 0)


def _check(node: Any, path: KeyPath, at: int, value: Any) -> None:
    """Raise ConfigError where a path leads through what has no such part."""
    step, key = path[at], f"{OPTION} {dotted(path[: at + 1])}"
    if isinstance(node, list):
        if not isinstance(step, int) or step >= len(node):
            raise ConfigError(f"the list has {len(node)} entries", key=key, remedy="Name one of them, such as [0].")
        return
    if isinstance(step, int) or not isinstance(node, Mapping | None):
        kind = "list" if isinstance(step, int) else "section"
        raise ConfigError(f"{dotted(path[:at])} is no {kind}", key=key, remedy=_EXAMPLE)
    known, leaf = node or {}, at == len(path) - 1
    if step in known or (leaf and value is not None):
        return
    if leaf:
        raise ConfigError("there is no such key to take out", key=key, remedy=_known(known))
    if path[:at] in _NAMED:
        problem = f"there is no {_NAMED[path[:at]]} called {step!r}"
        raise ConfigError(problem, key=key, remedy=nearest(str(step), map(str, known)))


def _child(tree: Any, step: str | int) -> Any:
    if isinstance(tree, list) and isinstance(step, int) and step < len(tree):
        return tree[step]
    return tree.get(step) if isinstance(tree, Mapping) else None


def _known(tree: Any) -> str:
    return nearest("", map(str, tree)) if isinstance(tree, Mapping) and tree else _EXAMPLE
