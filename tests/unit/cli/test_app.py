"""The command line as a whole: its list of commands, and how it says that something is wrong."""

import subprocess
import sys
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

import pytest
import typer

import perllm
from perllm.cli.app import COMMANDS, Commands
from perllm.errors import InvariantError
from tests.unit.cli.terminal import environment, type_in

NAMES = [name for name, _, _ in COMMANDS]
# What the list of commands must not cost: each takes a tenth of a second or more to import.
HEAVY = ("aiohttp", "numpy", "openai", "prometheus_client")


def test_every_command_is_listed() -> None:
    shown = type_in("--help")

    assert 0 == shown.exit_code
    assert [] == [name for name in NAMES if name not in shown.stdout]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help(name: str) -> None:
    shown = type_in(name, "--help")

    assert 0 == shown.exit_code
    assert f"Usage: perllm {name}" in shown.stdout


@pytest.mark.parametrize(("name", "place", "summary"), COMMANDS)
def test_the_list_says_of_a_command_what_it_says_itself(name: str, place: str, summary: str) -> None:
    found = resolve_name(place)
    own = str(found.info.help if isinstance(found, typer.Typer) else found.__doc__)

    assert summary == own.partition("\n")[0]


@pytest.mark.parametrize("place", [place for _, place, _ in COMMANDS if not place.endswith((":journal", ":presets"))])
def test_every_command_gives_an_example(place: str) -> None:
    command: Callable[..., None] = resolve_name(place)

    assert "perllm" in (command.__doc__ or "").partition("Example")[2]


def test_the_version_is_told() -> None:
    assert f"{perllm.__version__}\n" == type_in("--version").stdout


def test_the_list_of_commands_imports_none_of_them() -> None:
    script = f"import sys, perllm.cli; print(*[name for name in {HEAVY!r} if name in sys.modules])"

    listed = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True
    )

    assert "" == listed.stdout.strip()


@pytest.mark.parametrize(
    "words", [["chek"], ["simulate"], ["simulate", "x", "--seed", "-1"], ["simulate", "x", "--sed"]]
)
def test_a_word_too_few_or_too_many_is_no_traceback(words: list[str]) -> None:
    shown = type_in(*words)

    assert 2 == shown.exit_code
    assert "Traceback" not in shown.output


@pytest.mark.parametrize(
    ("raised", "exit_code", "told"),
    [(InvariantError("[bold] impossible"), 2, "error: [bold] impossible\n"), (KeyboardInterrupt(), 130, "")],
)
def test_how_a_command_ends_is_told_in_a_line(
    raised: BaseException, exit_code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr("perllm.cli.policies.show", end)

    shown = type_in("policies")

    assert (exit_code, told) == (shown.exit_code, shown.stderr)


def test_a_command_whose_extra_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "perllm.cli.demo", raising=False)
    monkeypatch.delitem(sys.modules, "perllm.demo.clients", raising=False)
    monkeypatch.delitem(sys.modules, "perllm.demo.run", raising=False)
    monkeypatch.setitem(sys.modules, "openai", None)

    shown = type_in("demo")

    assert 2 == shown.exit_code
    assert (
        "error: perllm demo needs openai, which is not installed. Install it with: pip install 'perllm[demo]'.\n"
        == shown.stderr
    )


def test_commands_keep_their_order() -> None:
    assert NAMES == Commands(name="perllm").list_commands(None)
