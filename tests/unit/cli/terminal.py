"""A terminal that types commands and keeps what they print."""

import os
from collections.abc import Mapping
from pathlib import Path

from typer.testing import CliRunner, Result

from perllm.cli.app import build


def type_in(*words: object) -> Result:
    """Run `perllm` with these words."""
    return CliRunner().invoke(build(), [str(word) for word in words], prog_name="perllm")


def environment() -> Mapping[str, str]:
    """Return the environment in which another Python finds this checkout."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
