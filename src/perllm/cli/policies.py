"""`perllm policies`: the list, with what each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from perllm.cli.output import show, table, write_json
from perllm.scheduling.contender import Value, options_of, written
from perllm.scheduling.policies import REGISTRY
from perllm.scheduling.policy import Policy


def policies(
    json: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the list as JSON.")] = None,
) -> None:
    """List the policies and what each does.

    One is chosen as NAME[+hold|+push][:option=value]..., such as cloud-only+hold: requests wait in the scheduler for
    room, or are pushed to the engines' own queues; without either as the policy does.

    Example: [bold]perllm policies[/bold]
    """
    listed = [_described(policy) for policy in REGISTRY.values()]
    if json is not None:
        write_json(listed, json)
        return
    shown = table("policy", "holds", "minds time", "options", "what it does", words=(1, 2, 3, 4))
    for entry in listed:
        shown.add_row(entry.name, _yes(entry.holds), _yes(entry.minds_time), _options(entry), entry.summary)
    show("Policies", shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described:
    name: str
    summary: str
    holds: bool
    minds_time: bool
    options: Mapping[str, Value]


def _described(policy: type[Policy]) -> _Described:
    summary = (policy.__doc__ or "").strip().partition("\n")[0]
    return _Described(
        name=policy.name,
        summary=summary,
        holds=policy.holds,
        minds_time=policy.minds_time,
        options={name: option.default for name, option in options_of(policy).items()},
    )


def _options(entry: _Described) -> str:
    return "\n".join(written(name, value) for name, value in entry.options.items())


def _yes(value: bool) -> str:
    return "yes" if value else "no"
