"""What came of a comparison, and the files it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

import perllm
from perllm.errors import ConfigError
from perllm.experiments.contest.estimate import METHOD
from perllm.experiments.contest.flat import write_csv
from perllm.experiments.contest.page import page
from perllm.experiments.contest.regret import Regret, regrets
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.scene import code_digest
from perllm.experiments.contest.summary import Summary, summarised
from perllm.experiments.contest.tables import NOTE, Table, cost_table, markdown, place_tables
from perllm.experiments.contest.versus import MARGIN, SIGNIFICANCE, Versus, compared, conclusion

Draw = Callable[[Sequence[Row], Sequence[Summary], Sequence[Regret], Path], list[tuple[str, Path]]]

RESULTS: Final = "results.json"


class About(Struct, frozen=True, kw_only=True):
    """What a reader must know to judge the figures. `code` is a digest of all that decides what a run comes to."""

    version: str
    code: str
    against: str
    tolerance: float
    margin: float = MARGIN
    significance: float = SIGNIFICANCE
    method: str = METHOD


class Outcome(Struct, frozen=True, kw_only=True):
    """Everything that the seeds determine; wall-clock figures are kept apart."""

    about: About
    summaries: list[Summary]
    versus: list[Versus]
    regrets: list[Regret]

    @property
    def conclusion(self) -> str:
        return conclusion(self.versus)

    @property
    def tables(self) -> list[Table]:
        return place_tables(self.summaries, self.versus)


def outcome_of(rows: Sequence[Row], against: str, tolerance: float = 0.0) -> Outcome:
    """Conclude from rows, whose order is the order of everything told."""
    summaries = summarised(rows, tolerance)
    return Outcome(
        about=About(version=perllm.__version__, code=code_digest(), against=against, tolerance=tolerance),
        summaries=summaries,
        versus=compared(rows, summaries, against),
        regrets=regrets(rows, summaries),
    )


def write_outcome(
    outcome: Outcome, rows: Sequence[Row], folder: Path, draw: Draw | None, first: Sequence[Table] = ()
) -> list[Path]:
    """Write results, tables, figures and the page, with other tables `first`. ConfigError where that is impossible."""
    try:
        return _write(outcome, rows, folder, draw, first)
    except OSError as error:
        raise ConfigError(f"a file cannot be written: {error.strerror}", file=str(folder), key="--out") from None


def _write(
    outcome: Outcome, rows: Sequence[Row], folder: Path, draw: Draw | None, first: Sequence[Table]
) -> list[Path]:
    paths = [folder / name for name in (RESULTS, "results.csv", "versus.csv", "report.html", "tables.md")]
    paths[0].write_text(as_json(outcome), encoding="utf-8")
    write_csv(paths[1], outcome.summaries)
    write_csv(paths[2], outcome.versus)
    figures = draw(rows, outcome.summaries, outcome.regrets, folder) if draw else []
    tables = [*first, *outcome.tables]
    paths[3].write_text(
        page("Contenders compared", f"{outcome.conclusion} {NOTE}", [*tables, cost_table(rows)], figures),
        encoding="utf-8",
    )
    told = [f"**{table.title}**\n\n{markdown(table)}" for table in tables]
    paths[4].write_text("\n".join([*told, f"{outcome.conclusion}\n", f"{NOTE}\n"]), encoding="utf-8")
    return [*paths, *(path for _, path in figures)]


def as_json(value: Any) -> str:
    """Render a value as JSON that people can read too."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
