"""`perllm calibrate`: measure an engine and write its profile."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from perllm.cli.output import check_target, err, number, out, show, table, write_json
from perllm.config.document import parse
from perllm.config.kinds import Url
from perllm.errors import ConfigError
from perllm.experiments.calibrate.asked import Asked, Prospect
from perllm.experiments.calibrate.profile_text import profile_text
from perllm.experiments.calibrate.result import Calibration, Point
from perllm.experiments.calibrate.run import calibrate as measure

_NONCE_BYTES = 8


def calibrate(
    url: Annotated[str, typer.Argument(help="Where the engine listens, with or without /v1.")],
    model: Annotated[str | None, typer.Option(help="The engine's name for it; needed where it has several.")] = None,
    api_key_env: Annotated[str | None, typer.Option(metavar="VAR", help="The variable that holds its key.")] = None,
    target: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the profile there.")] = None,
    seconds: Annotated[float, typer.Option(min=3.0, max=3600.0, help="About how long to measure.")] = 60.0,
    max_concurrency: Annotated[
        int | None, typer.Option(min=1, max=512, help="Answers at once at most. Default: 32; 4 for hosts elsewhere.")
    ] = None,
    context: Annotated[int | None, typer.Option(min=256, help="Its context, where it does not tell.")] = None,
    kv_tokens: Annotated[int | None, typer.Option(min=256, help="Its whole cache, where it does not tell.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Measure a host elsewhere, which may bill for it.")] = False,
    json: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write all that was measured.")] = None,
) -> None:
    """Measure an engine in about a minute and write the profile that a preset is made of.

    Says first how many tokens it will use at most. The profile holds how fast the engine reads and writes, what it
    takes at once, and the way there, each figure with what it was fitted from.

    Example: [bold]perllm calibrate http://127.0.0.1:8080 --out my-engine.yaml[/bold]
    """
    check_target(json)
    check_target(None if target is None else str(target), key="--out")
    asked = Asked(
        url=_address(url),
        api_key=_secret(api_key_env),
        model=model,
        seconds=seconds,
        most_batch=max_concurrency,
        context_tokens=context,
        kv_tokens=kv_tokens,
        nonce=secrets.token_hex(_NONCE_BYTES),
    )
    with _Screen(err(), seconds) as screen:
        found = asyncio.run(measure(asked, screen, lambda prospect: screen.agree(asked, prospect, yes)))
    text = profile_text(found, time.strftime("%Y-%m-%d", time.gmtime()))
    _hand_over(found, text, target, json)


def _hand_over(found: Calibration, text: str, target: Path | None, json: str | None) -> None:
    if target is not None:
        _write(target, text)
    if json != "-":
        _print(found, None if target is not None else text)
    if json is not None:
        write_json({**found.as_json(), "profile": parse(text, "profile").tree}, json)
    for warning in (*found.misfits, *found.warnings):
        err().print(f"[yellow]warning:[/yellow] {escape(warning)}")
    if target is not None:
        err().print(f"The profile is in {escape(str(target))}.")


def check_nobody_pays(asked: Asked) -> None:
    """Raise ConfigError where the tokens might be billed to somebody."""
    if asked.is_hosted:
        raise ConfigError(
            "this engine is not on this machine, and whoever runs it may bill for these tokens",
            key=asked.shown_url,
            remedy="Agree with --yes; --max-concurrency and --context make them less.",
        )


class _Screen:
    """Shows how far the calibration is, on standard error."""

    def __init__(self, console: Console, seconds: float) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:34s}"), BarColumn(), TextColumn("{task.fields[left]}"),
            console=console, transient=True, disable=not sys.stderr.isatty(),
        )  # fmt: skip
        self._seconds = seconds
        self._task = self._progress.add_task("", total=seconds, left="")

    def __enter__(self) -> _Screen:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def agree(self, asked: Asked, prospect: Prospect, yes: bool) -> None:
        """Say what will be used; stop where somebody might have to pay who has not agreed."""
        most = prospect.most
        version = f" {prospect.told.version}" if prospect.told.version else ""
        self._console.print(
            f"{prospect.told.kind.value}{version}, model {prospect.model}: about {asked.seconds:g} s; at most"
            f" {most.requests:,} requests, {most.prompt_tokens:,} prompt tokens, {most.output_tokens:,} output tokens",
            markup=False,
        )
        if not yes:
            check_nobody_pays(asked)

    def stage(self, what: str) -> None:
        """Show what is measured now."""
        self._progress.update(self._task, description=what)

    def elapsed(self, elapsed_s: float) -> None:
        """Show the time that is left."""
        left = f"{max(self._seconds - elapsed_s, 0.0):.0f} s left"
        self._progress.update(self._task, completed=min(elapsed_s, self._seconds), left=left)


def _print(found: Calibration, text: str | None) -> None:
    show("First tokens: measured, and as the profile says", _points(found.reading_points))
    show("Decode steps: measured, and as the profile says", _points(found.writing_points))
    for remark in found.remarks:
        out().print(f"Note: {remark}.", markup=False, soft_wrap=True)
    if text is not None:
        out().print()
        out().print(text, markup=False, soft_wrap=True, end="")


def _points(points: list[Point]) -> Table:
    made = table("what", "times", "measured ms", "profile ms", "off")
    for point in points:
        made.add_row(
            point.what,
            str(point.times),
            number(point.measured_s * 1000),
            number(point.fitted_s * 1000),
            f"{point.error:+.1%}",
        )
    return made


def _address(url: str) -> str:
    try:
        return str(msgspec.convert(url, Url))
    except msgspec.ValidationError:
        raise ConfigError(
            f"{url!r} is no address", key="URL", remedy="Give one such as http://127.0.0.1:8080."
        ) from None


def _secret(variable: str | None) -> str | None:
    if variable is None:
        return None
    secret = os.environ.get(variable)
    if not secret:
        raise ConfigError(f"the variable {variable} is not set", key="--api-key-env", remedy="Export it first.")
    return secret


def _write(target: Path, text: str) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = f"the file cannot be written: {error.strerror}"
        raise ConfigError(problem, file=str(target), key="--out", remedy="Choose another file.") from None
