"""What came of a comparison, as tables of text that a terminal, a page and a document can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from perllm.experiments.contest.estimate import METHOD, Estimate
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.summary import Place, Summary, mean_known
from perllm.experiments.contest.versus import MARGIN, Verdict, Versus

UNKNOWN: Final = "–"
NOTE: Final = (
    f"{METHOD} Joules are compared only where every service meets its target on average over the seeds; in parentheses"
    " are those of contenders that miss one. Verdicts are about the row's contender, beside the one compared against:"
    f" “{Verdict.RIVAL_BETTER}” where a one-sided paired t test at 5 %, Holm-corrected over all rows, says that it"
    f" needs less than {1.0 - MARGIN:.0%} of the joules for each output token in time; “{Verdict.RIVAL_AHEAD}” or"
    f" “{Verdict.RIVAL_BEHIND}” where its own interval leaves 1 out. Joules of answers of different models are not the"
    " same good: the last column says who wrote the tokens."
)


class Table(Struct, frozen=True, kw_only=True):
    """A table. Columns at `words` hold text, the others numbers; where there is little room, those `aside` go first."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = (0,)
    aside: tuple[int, ...] = ()


def place_tables(summaries: Sequence[Summary], found: Sequence[Versus]) -> list[Table]:
    """Return one table for each place."""
    places = dict.fromkeys(summary.place for summary in summaries)
    return [_place_table(place, summaries, found) for place in places]


def _place_table(place: Place, summaries: Sequence[Summary], found: Sequence[Versus]) -> Table:
    rivals = {each.rival: each for each in found if each.place == place}
    here = [summary for summary in summaries if summary.place == place]
    against = next(iter(rivals.values())).against if rivals else "the other"
    columns = (
        "contender", "in time", "misses", "J/token in time", f"÷ {against}", "verdict", "J/request",
        "idle", "tokens/s in time", "p95", "refused", "tokens by model",
    )  # fmt: skip
    rows = tuple(_place_row(summary, rivals.get(summary.policy)) for summary in here)
    return Table(
        title=f"{place} (idle counted: {here[0].idle})",
        columns=columns,
        rows=rows,
        words=(0, 2, 5, 11),
        aside=(6, 7, 8, 10),
    )


def _place_row(summary: Summary, versus: Versus | None) -> tuple[str, ...]:
    spent_j = summary.transmit_j + summary.infer_j + summary.idle_j
    per_token = plus_minus(summary.j_per_in_time_token)
    return (
        summary.policy,
        plus_minus(summary.attainment, percent=True),
        _missed(summary),
        per_token if summary.met else f"({per_token})",
        UNKNOWN if versus is None else between(versus.energy_ratio),
        UNKNOWN if versus is None else versus.verdict.value,
        plus_minus(summary.j_per_request),
        f"{summary.idle_j / spent_j:.0%}" if spent_j else UNKNOWN,
        plus_minus(summary.goodput_tokens_per_s),
        UNKNOWN if summary.latency_p95_s is None else f"{summary.latency_p95_s.mean:.2f} s",
        f"{summary.refused_fraction:.1%}",
        shares(summary.tokens_by_model),
    )


def _missed(summary: Summary) -> str:
    every = len(summary.missed) == len(summary.services) > 1
    return "all" if every else ", ".join(summary.missed) or "none"


def cost_table(rows: Sequence[Row]) -> Table:
    """Return what decisions took, by contender: the machine's figures, not the seed's."""
    policies = dict.fromkeys(row.policy for row in rows)
    timings = {policy: [row.timing for row in rows if row.policy == policy] for policy in policies}
    return Table(
        title="Decision cost (submit or close, on the machine that ran this)",
        columns=("contender", "median", "99 %", "wall time of a run"),
        rows=tuple(
            (
                policy,
                f"{mean_known([timing.decision_p50_us for timing in of]):.0f} µs",
                f"{mean_known([timing.decision_p99_us for timing in of]):.0f} µs",
                f"{mean_known([timing.wall_s for timing in of]):.2f} s",
            )
            for policy, of in timings.items()
        ),
    )


def plus_minus(value: Estimate | None, *, percent: bool = False) -> str:
    """Render a mean with half its interval."""
    if value is None:
        return UNKNOWN
    scale, unit = (100.0, " %") if percent else (1.0, "")
    mean = value.mean * scale
    if value.high is None:
        return f"{digits(mean)}{unit}"
    half = value.high * scale - mean
    return f"{mean:,.2f} ± {half:.2f}{unit}" if percent else f"{digits(mean)} ± {digits(half, 2)}"


def between(value: Estimate | None) -> str:
    """Render a ratio with its interval."""
    if value is None:
        return UNKNOWN
    if value.low is None or value.high is None:
        return f"{value.mean:.3f}"
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"


def digits(value: float, shown: int = 4) -> str:
    """Render some digits, and larger numbers whole."""
    return f"{value:,.0f}" if abs(value) >= 10.0 ** (shown - 1) else f"{value:.{shown}g}"


def shares(tokens: Mapping[str, float]) -> str:
    """Render who wrote which share of all tokens."""
    total = sum(tokens.values())
    return ", ".join(f"{model} {count / total:.0%}" for model, count in tokens.items()) if total else UNKNOWN


def markdown(table: Table) -> str:
    """Render a table for a document."""
    marks = ("---" if place in table.words else "---:" for place in range(len(table.columns)))
    lines = (table.columns, tuple(marks), *table.rows)
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
