"""A policy with its options and its way of queueing, in the one text that names it everywhere.

    NAME[+hold|+push][:option=value]...

`+hold` lets requests wait in the scheduler for room, `+push` sends them to the engines' queues; without either the
policy's own `holds` counts. Options are the keyword-only arguments of the policy's constructor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from inspect import Parameter, signature
from math import isfinite
from typing import Any, Final

from perllm.errors import ConfigError, nearest
from perllm.scheduling.policy import Policy
from perllm.scheduling.settings import SchedulerSettings

Value = bool | int | float | str

_HOLD_OF: Final = {"hold": True, "push": False}
_WORDS: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True, slots=True)
class Option:
    """One keyword-only argument of a policy's constructor; a name that Python reserves goes without its underscore."""

    parameter: str
    kind: type[bool] | type[int] | type[float] | type[str]
    default: Value

    @property
    def name(self) -> str:
        return self.parameter.rstrip("_")

    def read(self, text: str) -> Value | None:
        """Return the value that a text stands for, None where it stands for none."""
        if self.kind is bool:
            return {"true": True, "false": False}.get(text)
        try:
            value = self.kind(text)
        except ValueError:
            return None
        return value if value != "" and (isinstance(value, str) or isfinite(value)) else None

    def __str__(self) -> str:
        """Render it as it is written, with its default."""
        return written(self.name, self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to schedule; `str` gives the text that `contender_of` reads."""

    name: str
    hold: bool | None = None
    options: Mapping[str, Value] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        way = next((f"+{word}" for word, hold in _HOLD_OF.items() if hold is self.hold), "")
        return ":".join([self.name + way, *(written(name, value) for name, value in self.options.items())])

    def settings(self, settings: SchedulerSettings) -> SchedulerSettings:
        """Return the settings with this contender's way of queueing, where it has one of its own."""
        return settings if self.hold is None else replace(settings, hold=self.hold)


def written(name: str, value: Value) -> str:
    """Return an option as it is written in a contender's text."""
    return f"{name}={str(value).lower() if isinstance(value, bool) else value}"


def options_of(policy: type[Policy]) -> Mapping[str, Option]:
    """Return what may be set of a policy, by name, in the order its constructor declares."""
    parameters = signature(policy, eval_str=True).parameters.values()
    options = [
        Option(parameter.name, parameter.annotation, parameter.default)
        for parameter in parameters
        if parameter.kind is Parameter.KEYWORD_ONLY
    ]
    return {option.name: option for option in options}


def read_contender(text: str, known: Mapping[str, type[Policy]]) -> Contender:
    """Read a contender's text; ConfigError says what in it is wrong."""
    head, *pairs = text.split(":")
    name, plus, word = head.partition("+")
    policy = _policy(name, known)
    if plus and word not in _HOLD_OF:
        raise ConfigError(f"a policy cannot be used as '+{word}'", remedy=f"Write {name}+hold or {name}+push.")
    given: dict[str, Value] = {}
    options = options_of(policy)
    for pair in pairs:
        option_name, _, value = pair.partition("=")
        if option_name in given:
            raise ConfigError(f"{name} is given {option_name!r} twice", remedy="Remove one of the two.")
        given[option_name] = _value(name, option_name, value, options)
    ordered = {option_name: given[option_name] for option_name in options if option_name in given}
    return Contender(name=name, hold=_HOLD_OF.get(word), options=ordered)


def make_contender(contender: Contender, known: Mapping[str, type[Policy]]) -> Policy:
    """Return a fresh policy with the contender's options; ConfigError where its constructor refuses a value."""
    policy = _policy(contender.name, known)
    options = options_of(policy)
    arguments: dict[str, Any] = {options[name].parameter: value for name, value in contender.options.items()}
    try:
        return policy(**arguments)
    except ValueError as error:
        raise ConfigError(f"{contender}: {error}", remedy=f"By default: {_listed(options)}.") from error


def _policy(name: str, known: Mapping[str, type[Policy]]) -> type[Policy]:
    policy = known.get(name)
    if policy is None:
        raise ConfigError(f"there is no policy called {name!r}", remedy=nearest(name, known))
    return policy


def _value(policy: str, name: str, text: str, options: Mapping[str, Option]) -> Value:
    option = options.get(name)
    if option is None:
        remedy = f"Its options: {_listed(options)}." if options else "It has no options."
        raise ConfigError(f"{policy} has no option called {name!r}", remedy=remedy)
    value = option.read(text)
    if value is None:
        raise ConfigError(
            f"{policy}: {text!r} does not fit {name}", remedy=f"Give {_WORDS[option.kind]}, such as {option}."
        )
    return value


def _listed(options: Mapping[str, Option]) -> str:
    return ", ".join(map(str, options.values()))
