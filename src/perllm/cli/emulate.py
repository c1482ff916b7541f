"""`perllm emulate`: an engine that only takes time."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from perllm.cli.output import out
from perllm.config.emulator_parts import emulated_server
from perllm.config.presets import preset_names
from perllm.emulator.serve import run_emulator
from perllm.emulator.settings import EmulatorSettings, FaultRates
from perllm.errors import ConfigError

Rate = Annotated[float | None, typer.Option(min=1e-3, help="Tokens per second, instead of the preset's.")]
Watts = Annotated[float | None, typer.Option(min=0.0, help="Instead of the preset's watts.")]
Share = Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of requests that meets this fault.")]


def emulate(
    host: Annotated[str, typer.Option(help="Listen here.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8080,
    model: Annotated[str, typer.Option(help="The name clients ask for.")] = "emulated",
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(preset_names())}.")] = "tiny-60m-q8",
    slots: Annotated[int | None, typer.Option(min=1, help="Requests worked on at once.")] = None,
    prefill: Rate = None,
    decode: Rate = None,
    idle_w: Watts = None,
    busy_w: Watts = None,
    seed: Annotated[int, typer.Option(min=0, help="Lengths, noise and faults are drawn from it.")] = 0,
    stall_head: Share = 0.0,
    stall_stream: Share = 0.0,
    cut: Share = 0.0,
    unavailable: Share = 0.0,
) -> None:
    """Play an OpenAI-compatible engine with modelled timing, and with faults where asked for.

    Example: [bold]perllm emulate --port 8101 --preset xeon-4214r-llama2-7b-q4 --unavailable 0.05[/bold]
    """
    settings = EmulatorSettings(
        server=emulated_server(model, preset, _own(slots, prefill, decode, idle_w, busy_w)),
        model=model,
        host=host,
        port=port,
        seed=seed,
        faults=_faults(stall_head, stall_stream, cut, unavailable),
    )
    run_emulator(settings, lambda open_port: _announce(settings, open_port))


def _own(
    slots: int | None, prefill: float | None, decode: float | None, idle_w: float | None, busy_w: float | None
) -> dict[str, Any]:
    """Return the section of a server that the command line gives: what it does not say is left out."""
    own: dict[str, Any] = {"speed": {}, "power": {}}
    if slots is not None:
        own["slots"] = slots
    if prefill is not None:
        own["speed"]["prefill_tokens_per_s"] = prefill
    if decode is not None:
        # The preset's gain by batching belongs to the preset's own rate.
        own["speed"] |= {"decode_tokens_per_s": decode, "batch_size": None, "batch_decode_tokens_per_s": None}
    if idle_w is not None:
        own["power"]["idle_w"] = idle_w
    if busy_w is not None:
        own["power"] |= dict.fromkeys(("prefill_w", "decode_w", "decode_full_w"), busy_w)
    return {key: value for key, value in own.items() if value != {}}


def _faults(stall_head: float, stall_stream: float, cut: float, unavailable: float) -> FaultRates:
    if stall_head + stall_stream + cut + unavailable > 1.0:
        raise ConfigError("the shares of faults add up to more than 1", key="--cut", remedy="Lower them.")
    return FaultRates(stall_head=stall_head, stall_stream=stall_stream, cut=cut, unavailable=unavailable)


def _announce(settings: EmulatorSettings, port: int) -> None:
    out().print(f"[green]Listening on[/green] http://{settings.host}:{port}/v1")
    out().print(f"model {settings.model}; {settings.server.slots} slots", markup=False)
