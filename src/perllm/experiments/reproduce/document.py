"""What a reproduction leaves behind: a document, its numbers as JSON and CSV, and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from perllm.errors import ConfigError
from perllm.experiments.contest.flat import write_csv
from perllm.experiments.contest.outcome import Draw, Outcome, as_json, outcome_of
from perllm.experiments.contest.page import page
from perllm.experiments.contest.row import Row
from perllm.experiments.contest.tables import NOTE, Table, markdown
from perllm.experiments.reproduce.claims import Claimed, claimed, claims_table
from perllm.experiments.reproduce.plan import Plan, Study


class Answered(Struct, frozen=True, kw_only=True):
    """A study, and what came of it."""

    study: str
    question: str
    claims: list[Claimed]
    outcome: Outcome


class Reproduction(Struct, frozen=True, kw_only=True):
    """A whole reproduction, but for the rows it was made of."""

    plan: str
    plan_digest: str
    written: str
    quick: bool
    seeds: tuple[int, ...]
    requests: int
    missing: tuple[str, ...]
    studies: list[Answered]


def answered(plan: Plan, study: Study, rows: Sequence[Row], against: str) -> Answered:
    """Conclude from the rows of one study."""
    outcome = outcome_of(rows, against)
    claims = claimed(rows, outcome.summaries, plan.ours, plan.claims)
    return Answered(study=study.name, question=study.question, claims=claims, outcome=outcome)


def reproduction(plan: Plan, studies: list[Answered]) -> Reproduction:
    """Put all together."""
    return Reproduction(
        plan=plan.name,
        plan_digest=plan.digest,
        written=plan.written,
        quick=plan.quick,
        seeds=plan.seeds,
        requests=plan.requests,
        missing=plan.missing,
        studies=studies,
    )


def tables_of(answer: Answered) -> list[Table]:
    """Return a study's tables: the claims, where any could be held against it, and all contenders."""
    claims = [claims_table(answer.claims, f"{answer.study}: the paper's claims")] if answer.claims else []
    return [*claims, *answer.outcome.tables]


def write_reproduction(
    plan: Plan, found: Reproduction, rows: Sequence[Sequence[Row]], folder: Path, draw: Draw | None
) -> list[Path]:
    """Write all files. Raises ConfigError where one cannot be written."""
    try:
        return _write(plan, found, rows, folder, draw)
    except OSError as error:
        raise ConfigError(f"a file cannot be written: {error.strerror}", file=str(folder), key="--out") from None


def _write(
    plan: Plan, found: Reproduction, rows: Sequence[Sequence[Row]], folder: Path, draw: Draw | None
) -> list[Path]:
    names = ("reproduction.md", "reproduction.json", "claims.csv", "results.csv", "report.html")
    paths = [folder / name for name in names]
    paths[0].write_text("\n".join(_document(plan, found)), encoding="utf-8")
    paths[1].write_text(as_json(found), encoding="utf-8")
    write_csv(paths[2], [claim for answer in found.studies for claim in answer.claims])
    write_csv(paths[3], [summary for answer in found.studies for summary in answer.outcome.summaries])
    figures = [
        figure
        for answer, of in zip(found.studies, rows, strict=True)
        for figure in _figures(answer, of, folder / answer.study, draw)
    ]
    tables = [table for answer in found.studies for table in tables_of(answer)]
    paths[4].write_text(page(_heading(plan), NOTE, tables, figures), encoding="utf-8")
    return [*paths, *(path for _, path in figures)]


def _figures(answer: Answered, rows: Sequence[Row], folder: Path, draw: Draw | None) -> list[tuple[str, Path]]:
    if draw is None:
        return []
    folder.mkdir(exist_ok=True)
    drawn = draw(rows, answer.outcome.summaries, answer.outcome.regrets, folder)
    return [(f"{answer.study}. {title}", path) for title, path in drawn]


def _heading(plan: Plan) -> str:
    return "The paper's claims, measured" + (
        " (quick: too few seeds and requests to say anything)" if plan.quick else ""
    )


def _document(plan: Plan, found: Reproduction) -> Iterator[str]:
    yield f"# {_heading(plan)}\n"
    yield (
        f"Every number here was measured by `perllm reproduce`, after {plan.name} (digest {plan.digest}) of"
        f" {plan.written}, with seeds {plan.seeds[0]} to {plan.seeds[-1]} and {plan.requests:,} requests in each run.\n"
    )
    if plan.missing:
        yield f"Not in this version, and therefore not here: {', '.join(f'`{name}`' for name in plan.missing)}.\n"
    if plan.decided:
        yield "What the paper does not tell is ours, and was decided before the runs:\n"
        yield "\n".join(f"- {decision}" for decision in plan.decided) + "\n"
    for answer in found.studies:
        yield f"## {answer.study}\n\n{answer.question}\n"
        for table in tables_of(answer):
            yield f"**{table.title}**\n\n{markdown(table)}"
    yield f"{NOTE}\n"
