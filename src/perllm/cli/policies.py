"""`perllm policies`: the list, with what each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from perllm.cli.output import show, table, write_json
from perllm.scheduling.contender import Value, options_of, written
from perllm.scheduling.policy import Policy
from perllm.simulation.contenders import SIMULATED


def policies(
    json: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the list as JSON.")] = None,
) -> None:
    """List the policies and what each does.

    One is chosen as NAME[+hold|+push][:option=value]..., such as cloud-only+hold: requests wait in the scheduler for
    room, or are pushed to the engines' own queues; without either as the policy does.

    Example: [bold]perllm policies[/bold]
    """
    listed = [_described(policy) for policy in SIMULATED.values()]
    if json is not None:
        write_json(listed, json)
        return
    shown = table("policy", "holds", "minds time", "options", "what it does", words=(1, 2, 3, 4))
    for entry in listed:
        shown.add_row(entry.name, _yes(entry.holds), _minds_time(entry), _options(entry), entry.summary)
    show("Policies", shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described:
    name: str
    summary: str
    holds: bool
    minds_time: bool
    weighs_lateness: bool
    options: Mapping[str, Value]


def _described(policy: type[Policy]) -> _Described:
    summary = (policy.__doc__ or "").strip().partition("\n")[0]
    made = policy()
    return _Described(
        name=policy.name,
        summary=summary,
        holds=made.holds,
        minds_time=made.minds_time,
        weighs_lateness=made.weighs_lateness,
        options={name: option.default for name, option in options_of(policy).items()},
    )


def _options(entry: _Described) -> str:
    return "\n".join(written(name, value) for name, value in entry.options.items())


def _minds_time(entry: _Described) -> str:
    return "by a price" if entry.weighs_lateness else _yes(entry.minds_time)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
