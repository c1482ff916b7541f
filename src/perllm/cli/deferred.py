"""Commands that are imported when they are run: the others cost no start-up time and need not be installable."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

import typer
from typer.core import TyperCommand

from perllm.errors import ConfigError


class Deferred(TyperCommand):
    """Stands in the list of commands for one that lives at `place` (`module:name`), a function or a Typer."""

    def __init__(self, *, name: str, summary: str, place: str) -> None:
        super().__init__(name=name, help=summary)
        self.place = place

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Let the real command read its arguments; from here on the context is its own."""
        return self.load().make_context(*args, **extra)

    def load(self) -> Any:
        """Import the command. Raises ConfigError where something it needs is not installed."""
        found = needing(self.place, f"perllm {self.name}", str(self.name))
        return typer.main.get_command(found if isinstance(found, typer.Typer) else _alone(found))


def needing(place: str, what: str, extra: str) -> Any:
    """Import what lives at `place`. Raises ConfigError where `what` needs a package that comes with an extra."""
    try:
        return resolve_name(place)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package == "perllm":
            raise
        raise ConfigError(
            f"{what} needs {package}, which is not installed",
            remedy=f"Install it with: pip install 'perllm[{extra}]'.",
        ) from None


def _alone(function: Any) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(function)
    return app
