"""A policy with each of its parts switched off: one at a time, and one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from perllm.errors import ConfigError
from perllm.experiments.contest.contenders import KNOWN, contender_of
from perllm.experiments.contest.summary import Summary
from perllm.experiments.contest.tables import UNKNOWN, Table, between, plus_minus
from perllm.experiments.contest.versus import Verdict, Versus
from perllm.scheduling.contender import Contender, options_of

_PAYS: Final = {
    Verdict.RIVAL_MISSES: "yes: without it a target is missed",
    Verdict.RIVAL_BEHIND: "yes: without it more joules",
    Verdict.EVEN: "no sure difference",
    Verdict.RIVAL_AHEAD: "no: without it fewer joules",
    Verdict.RIVAL_BETTER: "no: without it fewer joules",
    Verdict.ONLY_RIVAL_MEETS: "no: with it a target is missed",
}


def ablated(text: str, *, one_at_a_time: bool = True, cumulative: bool = True) -> list[str]:
    """Return the contender itself and those with parts switched over, each once.

    Parts are the policy's options that are true or false; those that the contender has off are switched on when their
    turn comes alone. Raises ConfigError where it has none.
    """
    whole = contender_of(text)
    parts = {name: option.default for name, option in options_of(KNOWN[whole.name]).items() if option.kind is bool}
    if not parts:
        raise ConfigError(f"{whole.name} has no parts that can be switched off", remedy="See `perllm policies`.")
    now = {name: bool(whole.options.get(name, default)) for name, default in parts.items()}
    found = [str(whole)]
    if one_at_a_time:
        found += [_switched(whole, [name], not on) for name, on in now.items()]
    if cumulative:
        on = [name for name, is_on in now.items() if is_on]
        found += [_switched(whole, on[:count], False) for count in range(1, len(on) + 1)]
    return list(dict.fromkeys(found))


def _switched(whole: Contender, parts: Sequence[str], on: bool) -> str:
    return str(contender_of(str(replace(whole, options={**whole.options, **dict.fromkeys(parts, on)}))))


def ablation_tables(summaries: Sequence[Summary], found: Sequence[Versus], whole: str) -> list[Table]:
    """Return one table for each place: what becomes of the whole without its parts."""
    by_key = {(each.place, each.rival): each for each in found}
    tables = []
    for place in dict.fromkeys(summary.place for summary in summaries):
        here = [summary for summary in summaries if summary.place == place]
        rows = tuple(_row(summary, by_key.get((place, summary.policy)), whole) for summary in here)
        columns = ("changed", "in time", "points", "J/token in time", "÷ whole", "does it pay?")
        tables.append(Table(title=f"{whole} without its parts: {place}", columns=columns, rows=rows, words=(0, 5)))
    return tables


def _row(summary: Summary, versus: Versus | None, whole: str) -> tuple[str, ...]:
    per_token = plus_minus(summary.j_per_in_time_token)
    apart = None if versus is None else versus.attainment_difference
    return (
        changed(summary.policy, whole),
        plus_minus(summary.attainment, percent=True),
        UNKNOWN if apart is None else f"{100.0 * apart.mean:+.2f}",
        per_token if summary.met else f"({per_token})",
        UNKNOWN if versus is None else between(versus.energy_ratio),
        UNKNOWN if versus is None else _PAYS.get(versus.verdict, versus.verdict.value),
    )


def changed(text: str, whole: str) -> str:
    """Return the options in which a contender differs from the whole."""
    ours, theirs = contender_of(text).options, contender_of(whole).options
    parts = [f"{name}={str(value).lower()}" for name, value in ours.items() if theirs.get(name) != value]
    return " ".join(parts) or "nothing"
