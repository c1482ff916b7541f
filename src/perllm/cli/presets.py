"""`perllm presets`: published figures of devices and models, with their sources, and what follows from them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from perllm.cli.output import check_target, number, show, table, write_json
from perllm.config.catalogue import device, device_names, model, model_names
from perllm.config.device_schema import Weights
from perllm.config.emulator_parts import emulated_server
from perllm.config.networks import NETWORKS
from perllm.config.presets import from_hardware, preset_names
from perllm.config.provenance import figures_of, kind_of, title_of
from perllm.config.server_schema import ServerSection
from perllm.config.values import server_value
from perllm.costs.time import decode_step_s, prefill_s
from perllm.domain.server import Server

Json = Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write it as JSON.")]

_PROMPT_TOKENS = 512

_HELP = """List devices, models and presets, and show their figures with source and range.

Examples: [bold]perllm presets[/bold], [bold]perllm presets show a100-80[/bold],
[bold]perllm presets derive a100-80 llama-33b[/bold]
"""

presets = typer.Typer(
    help=_HELP,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@presets.callback(invoke_without_command=True, help=_HELP)
def list_presets(context: typer.Context, json: Json = None) -> None:
    if context.invoked_subcommand is not None:
        return
    check_target(json)
    if json is not None:
        write_json(_everything(), json)
        return
    _show_devices()
    _show_models()
    _show_combined()
    _show_networks()


@presets.command("show")
def show_preset(
    name: Annotated[str, typer.Argument(help="A device, a model or a preset.")],
    json: Json = None,
) -> None:
    """Show the figures of a device, a model or a preset, each with its range, its kind and its source.

    Example: [bold]perllm presets show a100-80[/bold]
    """
    check_target(json)
    kind, figures = kind_of(name), figures_of(name)
    if json is not None:
        write_json({"name": name, "kind": kind, "figures": figures}, json)
        return
    shown = table("figure", "value", "range", "how it came about", "source", words=(3, 4))
    for figure in figures:
        low, high = figure.range
        bounds = "" if low == high else f"{low:g} to {high:g}"
        shown.add_row(figure.name, f"{figure.value:g}", bounds, figure.kind.value, figure.source)
    show(f"{kind} {name}: {title_of(name)}", shown)


@presets.command("derive")
def derive(
    device_name: Annotated[str, typer.Argument(metavar="DEVICE", help="See perllm presets.")],
    model_name: Annotated[str, typer.Argument(metavar="MODEL", help="See perllm presets.")],
    weights: Annotated[Weights, typer.Option(help="How the weights are stored.")] = Weights.FP16,
    count: Annotated[int, typer.Option(min=1, help="So many devices share the model.")] = 1,
    json: Json = None,
) -> None:
    """Show what follows for a model on a device: the keys of a server, and the rates they amount to.

    Example: [bold]perllm presets derive xeon-4214r llama2-7b --weights q4_0[/bold]
    """
    check_target(json)
    hardware = {"device": device_name, "model": model_name, "weights": weights.value, "count": count}
    keys = from_hardware(hardware)
    server = _server(keys)
    if json is not None:
        write_json({"server": keys, "rates": _rates(server)}, json)
        return
    shown = table("figure", "value")
    for name, value in _rates(server).items():
        shown.add_row(name.replace("_", " "), number(value))
    show(f"{model_name} in {weights.value} on {count} x {device_name}", shown)


def _everything() -> dict[str, Any]:
    return {
        "devices": {name: device(name) for name in device_names()},
        "models": {name: model(name) for name in model_names()},
        "presets": {name: _rates(emulated_server("any", name, {})) for name in preset_names()},
        "networks": {network.value: energy._asdict() for network, energy in NETWORKS.items()},
    }


def _show_devices() -> None:
    shown = table("device", "", "engine", "GB/s", "GiB", "watts", "weights", words=(1, 2, 6))
    for name in device_names():
        known = device(name)
        power = known.power
        shown.add_row(
            name,
            known.title,
            known.engine,
            number(known.memory_gb_per_s.value),
            number(known.memory_gib.value),
            f"{power.idle_w.value:g} to {max(power.prefill_w.value, power.decode_full_w.value):g}",
            ", ".join(each.value for each in known.formats),
        )
    show("Devices (hardware.device)", shown)


def _show_models() -> None:
    shown = table("model", "parameters", "layers", "cache per token", "context")
    for name in model_names():
        shape = model(name)
        cache = f"{shape.kv_bytes_per_token / 1024:g} KiB"
        shown.add_row(name, f"{shape.parameters_billion:g} B", str(shape.layers), cache, f"{shape.context_tokens:,}")
    show("Models (hardware.model)", shown)


def _show_combined() -> None:
    shown = table("preset", "slots", "reads/s", "writes/s alone", "all slots", "watts")
    for name in preset_names():
        server = emulated_server("any", name, {})
        rates = _rates(server)
        watts = f"{server.power.idle_w:g} to {server.power.prefill_w:g}" if server.power.prefill_w else "unknown"
        shown.add_row(
            name,
            str(server.slots),
            number(rates["prefill_tokens_per_s"]),
            number(rates["decode_tokens_per_s"]),
            number(rates["batch_decode_tokens_per_s"]),
            watts,
        )
    show("Presets (preset)", shown)


def _show_networks() -> None:
    shown = table("network", "nJ/bit", "kind", "source", words=(2, 3))
    for network, energy in NETWORKS.items():
        shown.add_row(network.value, number(energy.nj_per_bit), energy.coefficient.value, energy.source)
    show("Networks (link.network)", shown)


def _server(keys: dict[str, Any]) -> Server:
    section = msgspec.convert({"tier": "edge", "models": ["any"], **keys}, ServerSection)
    return server_value("any", section, section.models)


def _rates(server: Server) -> dict[str, float]:
    """Say what a server's figures amount to, with nothing in the cache."""
    return {
        "slots": server.slots,
        "context_tokens": server.context_tokens,
        "kv_tokens": server.kv_tokens,
        "prefill_tokens_per_s": _PROMPT_TOKENS / prefill_s(server.speed, _PROMPT_TOKENS),
        "decode_tokens_per_s": 1 / decode_step_s(server.speed, 1),
        "batch_decode_tokens_per_s": server.slots / decode_step_s(server.speed, server.slots),
        "idle_w": server.power.idle_w,
        "prefill_w": server.power.prefill_w,
        "decode_w": server.power.decode_w,
        "decode_full_w": server.power.decode_full_w,
    }
