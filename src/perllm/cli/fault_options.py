"""An option for each fault of the emulator, made from the table of faults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Final

import typer

from perllm.emulator.faults import Fault, FaultRates

_PANEL: Final = "Faults: the share of requests, from 0 to 1, each of which …"
_OPTIONS: Final = {f"share_{fault.name.lower()}": fault for fault in Fault}


def with_fault_shares(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each fault instead of its argument `faults`, which is made of them."""

    @wraps(command)
    def run(**given: Any) -> None:
        shares = {fault: given.pop(name) for name, fault in _OPTIONS.items()}
        command(**given, faults=FaultRates(shares={fault: share for fault, share in shares.items() if share}))

    own = inspect.signature(command, eval_str=True)
    kept = [parameter for parameter in own.parameters.values() if parameter.name != "faults"]
    parameters = [*kept, *(_option(name, fault) for name, fault in _OPTIONS.items())]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _option(name: str, fault: Fault) -> inspect.Parameter:
    option = typer.Option(
        f"--{fault}", min=0.0, max=1.0, metavar="SHARE", help=fault.does, rich_help_panel=_PANEL, show_default=False
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=0.0, annotation=Annotated[float, option])
