"""A comparison in figures: by load, by account, over time, against the best in hindsight, and what deciding cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import nan
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from matplotlib.axes import Axes

from perllm.experiments.contest.curves import windows
from perllm.experiments.contest.estimate import Estimate
from perllm.experiments.contest.regret import Regret
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.summary import Place, Summary, place_of
from perllm.experiments.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    QUIET,
    SKY,
    VERMILION,
    figure,
    in_percent,
    in_unit,
    legend,
    legend_beside,
)

_COLOURS: Final = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK, GREY)
_MARKS: Final = ("o", "s", "^", "D", "v", "P", "X")
_ACCOUNTS: Final = (("idle_j", "idle", GREY), ("infer_j", "inference", BLUE), ("transmit_j", "transmission", ORANGE))
_LINE_INCHES: Final = 0.3

Figure = tuple[str, Path]
Look = Mapping[str, Any]


def draw(rows: Sequence[Row], summaries: Sequence[Summary], regrets: Sequence[Regret], folder: Path) -> list[Figure]:
    """Draw all figures into a folder; return what each shows and where it is."""
    looks = _looks(dict.fromkeys(summary.policy for summary in summaries))
    worlds = dict.fromkeys((summary.place.scenario, summary.place.variant) for summary in summaries)
    drawn: list[Figure] = []
    for scenario, variant in worlds:
        here = [each for each in summaries if (each.place.scenario, each.place.variant) == (scenario, variant)]
        drawn += _world(here, rows, regrets, folder, looks)
    drawn.append(_decision_cost(rows, folder))
    return drawn


def _world(
    here: Sequence[Summary], rows: Sequence[Row], regrets: Sequence[Regret], folder: Path, looks: Mapping[str, Look]
) -> Iterator[Figure]:
    place = here[0].place
    subject = ", ".join(part for part in (place.scenario, place.variant) if part)
    name = re.sub(r"[^A-Za-z0-9.]+", "-", subject)
    if len({summary.place.rate_per_s for summary in here}) > 1:
        yield _by_load(here, subject, folder / f"{name}-load.png", looks)
    for each in dict.fromkeys(summary.place for summary in here):
        load = "" if each.rate_per_s is None else f"-{each.rate_per_s:g}"
        at_place = [summary for summary in here if summary.place == each]
        yield _accounts(at_place, each, folder / f"{name}{load}-energy.png")
        runs = [row for row in rows if place_of(row) == each and row.curve]
        if runs:
            yield _learning(runs, each, folder / f"{name}{load}-learning.png", looks)
            of_place = [regret for regret in regrets if regret.place == each]
            yield _regret(of_place, each, folder / f"{name}{load}-regret.png", looks)


def _by_load(here: Sequence[Summary], subject: str, path: Path, looks: Mapping[str, Look]) -> Figure:
    title = "Requirements met and energy, by load"
    with figure(path, title, subject, rows=2, height=7.0) as (attained, joules):
        for policy in dict.fromkeys(summary.policy for summary in here):
            of = [summary for summary in here if summary.policy == policy]
            _errors(attained, of, lambda summary: summary.attainment, looks[policy], policy)
            _errors(joules, of, lambda summary: summary.j_per_in_time_token, looks[policy], policy)
            missing = [summary for summary in of if not summary.met and summary.j_per_in_time_token is not None]
            _crosses(joules, missing)
        for target in {share.target for share in here[0].services.values() if share.target is not None}:
            attained.axhline(target, color=QUIET, linestyle=(0, (5, 3)), linewidth=1.0)
        attained.set_title("Share of requests in time (dashed: targets)")
        joules.set_title("Joules for each output token in time (crossed out: a service misses its target)")
        joules.set_xlabel("requests/s")
        joules.set_ylim(0.0, _highest(here))
        in_percent(attained)
        in_unit(joules, "J")
        legend_beside(attained)
    return f"{title}: {subject}", path


def _highest(here: Sequence[Summary]) -> float | None:
    """Return where to cut the axis: who misses targets may need many times the joules, and is not compared."""
    means = [each.j_per_in_time_token.mean for each in here if each.met and each.j_per_in_time_token is not None]
    return 1.6 * max(means) if means else None


def _errors(
    axes: Axes, of: Sequence[Summary], figure_of: Callable[[Summary], Estimate | None], look: Look, label: str
) -> None:
    known = [(summary.place.rate_per_s, figure_of(summary)) for summary in of]
    points = sorted((rate, found) for rate, found in known if rate is not None and found is not None)
    means = [found.mean for _, found in points]
    halves = [0.0 if found.high is None else found.high - found.mean for _, found in points]
    axes.errorbar([rate for rate, _ in points], means, yerr=halves, label=label, capsize=2.5, markersize=4.5, **look)


def _crosses(axes: Axes, missing: Sequence[Summary]) -> None:
    points = [(each.place.rate_per_s or 0.0, each.j_per_in_time_token.mean) for each in missing
              if each.j_per_in_time_token is not None]  # fmt: skip
    if points:
        axes.plot(*zip(*points, strict=True), "x", color=BLACK, markersize=9, zorder=5)


def _accounts(here: Sequence[Summary], place: Place, path: Path) -> Figure:
    """Draw each contender as a bar of joules by account."""
    height = 2.0 + _LINE_INCHES * len(here)
    with figure(path, "Energy by account", str(place), rows=1, height=height) as (panel,):
        left = [0.0] * len(here)
        for account, label, colour in _ACCOUNTS:
            joules = [float(getattr(summary, account)) for summary in here]
            panel.barh(range(len(here)), joules, left=left, color=colour, label=label)
            left = [sum(pair) for pair in zip(left, joules, strict=True)]
        missed = [f"{summary.policy}{'' if summary.met else ' (misses a target)'}" for summary in here]
        panel.set_yticks(range(len(here)), missed)
        panel.invert_yaxis()
        panel.set_title("Joules of a run, mean over seeds")
        panel.xaxis.set_major_formatter(lambda value, _: f"{value / 1e3:,.0f} kJ")
        legend(panel)
    return f"Energy by account: {place}", path


def _learning(rows: Sequence[Row], place: Place, path: Path, looks: Mapping[str, Look]) -> Figure:
    title = "Requirements met over time"
    with figure(path, title, str(place), rows=1, height=4.4) as (panel,):
        for policy in dict.fromkeys(row.policy for row in rows):
            at_s, attained = windows([row.curve for row in rows if row.policy == policy])
            known = [nan if share is None else share for share in attained]
            panel.plot(at_s, known, label=policy, **{**looks[policy], "marker": ""})
        panel.set_title("Share in time of the requests over in each window, all seeds together")
        panel.set_xlabel("time since the start of the run (s)")
        in_percent(panel)
        legend_beside(panel)
    return f"{title}: {place}", path


def _regret(regrets: Sequence[Regret], place: Place, path: Path, looks: Mapping[str, Look]) -> Figure:
    title = "Regret"
    with figure(path, title, str(place), rows=2, height=6.6) as (joules, missed):
        for regret in regrets:
            look = {**looks[regret.policy], "marker": ""}
            joules.plot(regret.at_s, regret.joules, label=regret.policy, **look)
            missed.plot(regret.at_s, regret.missed, **look)
        best = regrets[0].best if regrets else ""
        joules.set_title(f"Joules more than {best}, so far")
        missed.set_title(f"Requests not in time, more than {best}, so far")
        missed.set_xlabel("time since the start of the run (s)")
        in_unit(joules, "J")
        legend_beside(joules)
    return f"{title} (against the best in hindsight): {place}", path


def _decision_cost(rows: Sequence[Row], folder: Path) -> Figure:
    policies = list(dict.fromkeys(row.policy for row in rows))
    path = folder / "decision-cost.png"
    title = "Decision cost"
    height = 1.8 + _LINE_INCHES * len(policies)
    with figure(path, title, "all runs", rows=1, height=height) as (panel,):
        for share, mark, colour in (("p50", "o", BLUE), ("p99", "|", ORANGE)):
            costs = [
                fmean(getattr(row.timing, f"decision_{share}_us") for row in rows if row.policy == policy)
                for policy in policies
            ]
            panel.plot(costs, range(len(policies)), mark, color=colour, label=share, markersize=7)
        panel.set_xlim(left=0.0)
        panel.set_yticks(range(len(policies)), policies)
        panel.invert_yaxis()
        panel.set_xlabel("µs for submit or close")
        legend(panel)
    return title, path


def _looks(policies: Mapping[str, object]) -> dict[str, Look]:
    """Give each contender a colour and a mark that no other has."""
    return {
        policy: {
            "color": _COLOURS[place % len(_COLOURS)],
            "marker": _MARKS[place % len(_MARKS)],
            "linestyle": ("-", "--", ":")[place // len(_COLOURS) % 3],
        }
        for place, policy in enumerate(policies)
    }
