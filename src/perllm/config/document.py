"""YAML text to plain values, strictly: no key twice, no guessed types, and a line for every key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from perllm.errors import ConfigError

KeyPath = tuple[str | int, ...]

_MERGE: Final = "tag:yaml.org,2002:merge"
_BOOL: Final = ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"))
_NULL: Final = ("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"))
_INT: Final = ("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"))
_FLOAT: Final = (
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
)
# By first character. The words of YAML 1.1 are left out: `off`, `no`, `12:30` and `2024-05-01` are text.
_SCALARS: Final = {
    **{letter: [_BOOL] for letter in "tf"},
    **{letter: [_NULL] for letter in ("~", "n", "")},
    **{letter: [_INT, _FLOAT] for letter in "-+.0123456789"},
    "<": [(_MERGE, re.compile(r"^<<$"))],
}

_TABS: Final = "Indent with spaces: YAML does not allow tabs."
_QUOTES: Final = "Check the indentation, and put text with special characters in quotes."


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file says (`tree`) and where it says it (`root`). What stands at `sets` was said on the command line."""

    source: str
    tree: Any
    root: yaml.Node
    sets: tuple[KeyPath, ...] = ()

    def mistake(self, path: KeyPath, problem: str, remedy: str) -> ConfigError:
        """Make the error for what stands at `path`, with the line it stands on."""
        place = f"{self.source}:{_line_of(self.root, path)}"
        if any(said[: len(path)] == path[: len(said)] for said in self.sets):
            place += " with --set"
        return ConfigError(problem, file=place, key=dotted(path) or None, remedy=remedy)


def dotted(path: KeyPath) -> str:
    """Render a path as a person writes it: `servers.edge-1.models[0]`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def text_of(path: Path) -> str:
    """Read a file. Raises ConfigError where it cannot be read as text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError("there is no such file", file=str(path), remedy="Check its name.") from None
    except OSError as error:
        problem = f"the file cannot be read: {error.strerror}"
        raise ConfigError(problem, file=str(path), remedy="Check what it is and who may read it.") from None
    except UnicodeDecodeError:
        raise ConfigError("the file is not UTF-8 text", file=str(path), remedy="Save it as UTF-8.") from None


def parse(text: str, source: str) -> Document:
    """Read one YAML document. Raises ConfigError with line and remedy."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        tree = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, RecursionError) as error:
        raise _not_yaml(error, source) from None
    if root is None or tree is None:
        remedy = "docs/configure.md shows the smallest file that works."
        raise ConfigError("the file is empty", file=source, remedy=remedy)
    return Document(source=source, tree=tree, root=root)


class _RepeatedKeyError(yaml.MarkedYAMLError):
    """A mapping has a key twice, which YAML itself would let win in silence."""


class _Loader(yaml.SafeLoader):
    """YAML with the scalars of its version 1.2, as people expect them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.yaml_implicit_resolvers = _SCALARS

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a mapping and hold its keys to be plain and unique."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be plain text", problem_mark=key.start_mark)
            if key.value in seen and key.tag != _MERGE:
                raise _RepeatedKeyError(problem=key.value, problem_mark=key.start_mark)
            seen.add(key.value)
        return node


def _not_yaml(error: Exception, source: str) -> ConfigError:
    if not isinstance(error, yaml.MarkedYAMLError):
        problem = " ".join(str(error).split())
        return ConfigError(f"this is not YAML: {problem}", file=source, remedy=_QUOTES)
    mark = error.problem_mark or error.context_mark
    place = source if mark is None else f"{source}:{mark.line + 1}"
    if isinstance(error, _RepeatedKeyError):
        return ConfigError("this key stands here twice", file=place, key=error.problem, remedy="Remove one.")
    remedy = _TABS if "\\t" in str(error.problem) else _QUOTES
    return ConfigError(f"this is not YAML: {error.problem}", file=place, remedy=remedy)


def _line_of(node: yaml.Node, path: KeyPath) -> int:
    line: int = node.start_mark.line + 1
    for step in path:
        found = _child(node, step)
        if found is None:
            break
        key, node = found
        line = key.start_mark.line + 1
    return line


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step], node.value[step]
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), None)
    return None
