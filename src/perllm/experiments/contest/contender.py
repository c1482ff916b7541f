"""A contender as text, `NAME[+hold|+push][:key=value]...`, and the scenario in which it decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Final

from perllm.errors import ConfigError
from perllm.scheduling.policies import REGISTRY, make_policy
from perllm.simulation.scenario import Scenario

_HOLDS: Final[Mapping[str, bool | None]] = MappingProxyType({"": None, "hold": True, "push": False})


def check_contender(text: str) -> None:
    """Raise ConfigError where no policy is meant by this text."""
    name, _, options = text.partition(":")
    name, _, mode = name.partition("+")
    make_policy(name)
    if mode not in _HOLDS:
        raise ConfigError(f"{text!r}: requests cannot be told to {mode!r}", remedy="Write +hold or +push.")
    known = options_of(name)
    for option in filter(None, options.split(":")):
        if option.partition("=")[0] not in known:
            raise ConfigError(f"{text!r}: {name} has no such option", remedy=f"Known: {', '.join(known) or 'none'}.")


def playing(scenario: Scenario, text: str) -> Scenario:
    """Return the scenario with this contender deciding."""
    check_contender(text)
    name, _, mode = text.partition(":")[0].partition("+")
    return replace(scenario, policy=name, scheduler=replace(scenario.scheduler, hold=_HOLDS[mode]))


def options_of(name: str) -> Mapping[str, Parameter]:
    """Return the keyword-only arguments of a policy."""
    made: Callable[..., object] = REGISTRY[name]
    return {key: found for key, found in signature(made).parameters.items() if found.kind is Parameter.KEYWORD_ONLY}
