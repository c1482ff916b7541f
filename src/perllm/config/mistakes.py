"""Where and why a tree does not fit its schema, in words a person can act on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from perllm.config.document import KeyPath
from perllm.errors import nearest

_PLAIN: dict[Any, str] = {str: "text", bool: "true or false", float: "a number", int: "a whole number"}
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What is wrong at `path`, and what to do about it."""

    path: KeyPath
    problem: str
    remedy: str


def find_mistake(value: Any, kind: Any, path: KeyPath = ()) -> Mistake | None:
    """Return the first mistake in `value`, read as `kind`, or None if there is none."""
    kind = _of_this_shape(value, kind)
    bare = _bare(kind)
    if isinstance(value, dict) and isinstance(bare, type) and issubclass(bare, Struct):
        inner = _in_section(value, bare, path)
    elif isinstance(value, dict) and get_origin(bare) is dict:
        inner = _in_mapping(value, bare, path)
    elif isinstance(value, list) and get_origin(bare) is tuple:
        inner = _in_list(value, bare, path)
    else:
        inner = None
    return inner or _here(value, kind, path)


def reference(path: KeyPath, kind: str, name: str, known: Collection[str]) -> Iterator[Mistake]:
    """Refuse a name that is not known."""
    if name not in known:
        yield Mistake(path=path, problem=f"there is no {kind} called {name!r}", remedy=nearest(name, known))


def _in_section(value: dict[Any, Any], section: type[Struct], path: KeyPath) -> Mistake | None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(section)}
    for key in value:
        if key not in fields:
            return Mistake(path=(*path, key), problem="this key is unknown", remedy=nearest(str(key), fields))
    for name, field in fields.items():
        if name in value:
            mistake = find_mistake(value[name], field.type, (*path, name))
            if mistake is not None:
                return mistake
        elif field.required:
            return Mistake(path=(*path, name), problem="this key is missing", remedy=f"Give {_words(field.type)}.")
    return None


def _in_mapping(value: dict[Any, Any], kind: Any, path: KeyPath) -> Mistake | None:
    key_kind, item_kind = get_args(kind)
    inner = (
        _here(key, key_kind, (*path, key)) or find_mistake(item, item_kind, (*path, key)) for key, item in value.items()
    )
    return next((mistake for mistake in inner if mistake is not None), None)


def _in_list(value: list[Any], kind: Any, path: KeyPath) -> Mistake | None:
    item_kind, _ = get_args(kind)
    inner = (find_mistake(item, item_kind, (*path, place)) for place, item in enumerate(value))
    return next((mistake for mistake in inner if mistake is not None), None)


def _here(value: Any, kind: Any, path: KeyPath) -> Mistake | None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        if _is_own_rule(error):
            return Mistake(
                path=path,
                problem=str(error).rpartition(" - at ")[0] or str(error),
                remedy="Correct one of them.",
            )
    else:
        return None
    choices = _choices(kind)
    problem = f"{_shown(value)} does not fit here"
    if choices and isinstance(value, str):
        return Mistake(path=path, problem=problem, remedy=nearest(value, choices))
    return Mistake(path=path, problem=problem, remedy=f"Give {_words(kind)}.")


def _is_own_rule(error: msgspec.ValidationError) -> bool:
    """Whether a section's own `__post_init__` refused its values."""
    return isinstance(error.__cause__, ValueError)


def _of_this_shape(value: Any, kind: Any) -> Any:
    """Of a union, take the member that `value` was meant to be."""
    members = _members(kind)
    if value is None or len(members) == 1:
        return kind
    real = [member for member in members if member is not NoneType]
    return real[0] if isinstance(value, dict) or len(real) == 1 else kind


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _choices(kind: Any) -> list[str]:
    bare = _bare(kind)
    if isinstance(bare, type) and issubclass(bare, Enum):
        return [member.value for member in bare]
    if get_origin(bare) is Literal:
        return list(get_args(bare))
    return []


def _words(kind: Any) -> str:
    """Describe what may stand here."""
    members = [member for member in _members(kind) if member is not NoneType]
    if len(members) > 1:
        return " or ".join(_words(member) for member in members)
    bare = _bare(members[0])
    described = [note.description for note in get_args(members[0])[1:] if isinstance(note, Meta) and note.description]
    if described:
        return str(described[-1])
    return (
        " or ".join(_choices(bare))
        or _PLAIN.get(bare)
        or ("a list" if get_origin(bare) is tuple else "a section: keys with values")
    )


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        kind = "list" if isinstance(value, list) else "section"
        return f"a {kind}" if value else f"an empty {kind}"
    text = repr(value) if isinstance(value, str) else str(value).lower()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
