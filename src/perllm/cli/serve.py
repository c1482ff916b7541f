"""`perllm serve`: the gateway."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer
from rich.markup import escape

from perllm.cli.output import err, out
from perllm.config.assemble import assembled, overridden
from perllm.config.exposure import exposures
from perllm.config.gateway_parts import GatewayParts, gateway_parts
from perllm.config.loader import load_gateway
from perllm.config.schema import GatewayFile, JournalSection
from perllm.gateway.app import serve as serve_until_stopped

try:
    import uvloop
except ImportError:  # not made for every platform; asyncio's own loop does the same, more slowly
    uvloop = None  # type: ignore[assignment]


def serve(
    config: Annotated[Path, typer.Argument(help="A perllm.yaml.")],
    host: Annotated[str | None, typer.Option(help="Listen here instead.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Instead of the config's; 0: any free.")] = None,
    policy: Annotated[str | None, typer.Option(help="Instead of the config's; see perllm policies.")] = None,
    until_input_ends: Annotated[bool, typer.Option("--until-input-ends", help="Stop with standard input.")] = False,
) -> None:
    """Serve the OpenAI dialect in front of the config's engines until interrupted.

    Example: [bold]perllm serve perllm.yaml --port 8400[/bold]
    """
    if until_input_ends:
        Thread(target=_stop_after_input, daemon=True).start()
    file = overridden(load_gateway(config), host=host, port=port, policy=policy)
    parts = gateway_parts(file, os.environ, str(config))
    started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with (
        assembled(file, parts, started_at=started_at, on_journal_failure=_warn) as gateway,
        asyncio.Runner(loop_factory=None if uvloop is None else uvloop.new_event_loop) as runner,
    ):
        runner.run(serve_until_stopped(gateway, lambda url: _announce(url, file, parts)))


def _stop_after_input() -> None:
    """Stop as if asked to: whoever started this is gone."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _announce(url: str, file: GatewayFile, parts: GatewayParts) -> None:
    journal = file.journal.path if isinstance(file.journal, JournalSection) else "off"
    servers = ", ".join(f"{server.server_id} ({server.tier.value})" for server in parts.servers)
    console = out()
    console.print(f"[green]Listening on[/green] {url}/v1")
    console.print(f"policy {file.scheduler.policy}; servers {servers}; journal {journal}", markup=False)
    for warning in exposures(file):
        _warn(warning)


def _warn(warning: str) -> None:
    err().print(f"[yellow]warning:[/yellow] {escape(warning)}")
