"""The option `--set`, which commands that read a scenario have in common."""

from __future__ import annotations

from typing import Annotated

import typer

from perllm.config.overrides import OPTION

Sets = Annotated[
    list[str] | None,
    typer.Option(
        OPTION,
        metavar="PATH=VALUE",
        help="Say a key of the scenario otherwise, such as servers.cloud.slots=2; * stands for any name, null for none."
        " May be given several times.",
    ),
]
