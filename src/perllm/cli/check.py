"""`perllm check`: validate a config and explain it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from perllm.cli.output import number, out, show, table, write_json
from perllm.config.exposure import exposures
from perllm.config.gateway_parts import GatewayParts, gateway_parts
from perllm.config.loader import load_gateway
from perllm.config.review import ASSUMED_PROMPT_TOKENS, Prospect, Review, review
from perllm.config.schema import GatewayFile
from perllm.config.values import UNKNOWN_POWER
from perllm.costs.time import decode_step_s
from perllm.domain.profile import PowerProfile
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.errors import ConfigError


def check(
    config: Annotated[Path | None, typer.Argument(help="A perllm.yaml.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of perllm.yaml instead.")] = False,
) -> None:
    """Validate a config and explain what it will do.

    Exit status 2 if it is wrong.

    Example: [bold]perllm check examples/minimal.yaml[/bold]
    """
    if schema:
        write_json(msgspec.json.schema(GatewayFile), "-")
        return
    if config is None:
        raise ConfigError("no file was given", key="CONFIG", remedy="Name one: perllm check perllm.yaml.")
    file = load_gateway(config)
    parts = gateway_parts(file, os.environ, str(config))
    matched = {name: section.match.models for name, section in file.services.items()}
    judged = review(parts.servers, parts.services, matched)
    _explain(parts, judged, [*judged.warnings, *exposures(file)])


def _explain(parts: GatewayParts, judged: Review, warnings: Sequence[str]) -> None:
    show(
        f"Services (expected time and chance, on idle servers, after {ASSUMED_PROMPT_TOKENS} tokens of prompt)",
        _services(parts, judged),
    )
    show("Servers", _servers(parts))
    show("Models that clients may ask for", _models(parts))
    console = out()
    for warning in warnings:
        console.print(f"[yellow]warning:[/yellow] {escape(warning)}")
    console.print("[green]The config is valid.[/green]")


def _services(parts: GatewayParts, judged: Review) -> Table:
    shown = table("service", "needed", "target", "data may go to", "expected there", words=(3, 4))
    for service in parts.services:
        name = f"{service.name} (default)" if service.name == parts.rules.default else service.name
        expected = ", ".join(map(_expected, judged.prospects[service.name])) or "no server"
        shown.add_row(name, _needed(service), f"{service.attainment:.0%}", _places(service), expected)
    return shown


def _expected(prospect: Prospect) -> str:
    return f"{prospect.server_id} {prospect.total_s:.1f} s ({prospect.in_time_probability:.0%})"


def _needed(service: Service) -> str:
    requirement = service.requirement
    limits = [
        f"{requirement.total_s:g} s" if requirement.total_s is not None else "",
        f"first token {requirement.first_token_s:g} s" if requirement.first_token_s is not None else "",
    ]
    return ", ".join(filter(None, limits)) or "any time"


def _places(service: Service) -> str:
    bounds: list[list[str]] = [sorted(service.tiers or ()), sorted(service.servers or ())]
    return " and ".join(", ".join(bound) for bound in bounds if bound) or "anywhere"


def _servers(parts: GatewayParts) -> Table:
    shown = table(
        "server", "address", "engine", "tier", "slots", "tokens/s alone", "all slots", "watts", "round trip", words=(1,)
    )
    for server, upstream in zip(parts.servers, parts.upstreams, strict=True):
        shown.add_row(
            server.server_id,
            upstream.base_url,
            upstream.kind.value,
            server.tier.value,
            str(server.slots),
            number(_tokens_per_s(server, 1)),
            number(_tokens_per_s(server, server.slots)),
            _watts(server.power),
            f"{server.link.rtt_s * 1000:g} ms",
        )
    return shown


def _tokens_per_s(server: Server, batch: int) -> float:
    return batch / decode_step_s(server.speed, batch)


def _watts(power: PowerProfile) -> str:
    return "unknown" if power == UNKNOWN_POWER else f"{power.idle_w:g} to {max(power.prefill_w, power.decode_full_w):g}"


def _models(parts: GatewayParts) -> Table:
    shown = table("model", "answered by", words=(1,))
    for model in sorted({model for server in parts.servers for model in server.models}):
        shown.add_row(model, ", ".join(_answering(model, parts)))
    return shown


def _answering(model: str, parts: GatewayParts) -> list[str]:
    """Name the servers that answer, with the engine's own name of the model where it is another."""
    own_names = {up.server_id: up.models[model] for up in parts.upstreams if model in up.models}
    return [server if own == model else f"{server} ({own})" for server, own in own_names.items()]
