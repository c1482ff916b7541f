"""The commands by name, and the one place where a user's mistake becomes one line on standard error."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from typer.core import TyperGroup

import perllm
from perllm.cli.deferred import Deferred
from perllm.cli.output import err, out
from perllm.errors import PerLLMError

MISTAKE: Final = 2
INTERRUPTED: Final = 130

# Name, place and first line of help. The places are imported when a command is run.
COMMANDS: Final = (
    (
        "demo",
        "perllm.cli.demo:demo",
        "Serve mixed traffic on a small real fleet, twice: by PerLLM, then everything to the cloud.",
    ),
    (
        "serve",
        "perllm.cli.serve:serve",
        "Serve the OpenAI dialect in front of the config's engines until interrupted.",
    ),
    ("check", "perllm.cli.check:check", "Validate a config and explain what it will do."),
    ("simulate", "perllm.cli.simulate:simulate", "Run a scenario once, in simulated time, and print what came of it."),
    (
        "compare",
        "perllm.cli.compare:compare",
        "Run contenders in the same worlds from the same seeds, and say who needs fewer joules where targets are met.",
    ),
    (
        "capacity",
        "perllm.cli.capacity:capacity",
        "Find the largest arrival rate at which contenders keep a share of requests in time.",
    ),
    ("reproduce", "perllm.cli.reproduce:reproduce", "Run the paper's comparison and hold its claims against it."),
    ("ablate", "perllm.cli.ablate:ablate", "Switch off a policy's parts, and say of each whether it pays."),
    (
        "bound",
        "perllm.cli.bound:bound",
        "Say how few joules any schedule needs that serves so many in time, and how few one can do with.",
    ),
    (
        "emulate",
        "perllm.cli.emulate:emulate",
        "Play an OpenAI-compatible engine with modelled timing, and with faults where asked for.",
    ),
    (
        "presets",
        "perllm.cli.presets:presets",
        "List devices, models and presets, and show their figures with source and range.",
    ),
    (
        "calibrate",
        "perllm.cli.calibrate:calibrate",
        "Measure an engine in about a minute and write the profile that a preset is made of.",
    ),
    ("policies", "perllm.cli.policies:policies", "List the policies and what each does."),
    ("journal", "perllm.cli.journal:journal", "Look into a journal, and take its decisions again."),
)


class Commands(TyperGroup):
    """The group of all commands, in the order of the list above."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, place, summary in COMMANDS:
            self.commands[name] = Deferred(name=name, summary=summary, place=place)

    def list_commands(self, ctx: Any) -> list[str]:
        """Keep that order."""
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Whatever PerLLM raises on purpose is shown without a traceback."""
        try:
            return super().invoke(ctx)
        except PerLLMError as error:
            err().print(f"[red]error:[/red] {escape(str(error))}")
            raise typer.Exit(MISTAKE) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


def build() -> typer.Typer:
    """Make the application."""
    return typer.Typer(
        cls=Commands,
        callback=_perllm,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def main() -> None:
    """Run the command line."""
    build()(prog_name="perllm")


def _show_version(wanted: bool) -> None:
    if wanted:
        out().print(perllm.__version__)
        raise typer.Exit


def _perllm(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Send every LLM request to the edge or cloud engine that finishes it in time at the least energy."""
