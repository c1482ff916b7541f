"""`perllm emulate`: an engine that only takes time."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from perllm.cli.fault_options import with_fault_shares
from perllm.cli.output import out
from perllm.config.emulator_parts import emulated_server
from perllm.config.presets import preset_names
from perllm.emulator.faults import FaultRates
from perllm.emulator.loading import Loading
from perllm.emulator.order import LONGEST_S
from perllm.emulator.serve import run_emulator
from perllm.emulator.settings import EmulatorSettings

Rate = Annotated[float | None, typer.Option(min=1e-3, help="Tokens per second, instead of the preset's.")]
Watts = Annotated[float | None, typer.Option(min=0.0, help="Instead of the preset's watts.")]


@with_fault_shares
def emulate(
    faults: FaultRates,
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
    load_s: Annotated[float, typer.Option(min=0.0, max=LONGEST_S, help="How long loading the model takes.")] = 10.0,
    cold: Annotated[bool, typer.Option("--cold", help="Start without the model: the first request loads it.")] = False,
    unload_after_s: Annotated[
        float | None, typer.Option(min=0.0, max=LONGEST_S, help="Without a request for so long, drop the model.")
    ] = None,
    late_s: Annotated[float, typer.Option(min=0.0, max=LONGEST_S, help="How late the fault --late is.")] = 5.0,
    retry_after_s: Annotated[int, typer.Option(min=0, max=LONGEST_S, help="What the fault --429 tells.")] = 1,
) -> None:
    """Play an OpenAI-compatible engine with modelled timing, and with faults where asked for.

    Example: [bold]perllm emulate --port 8101 --preset xeon-4214r-llama2-7b-q4 --503 0.05[/bold]
    """
    settings = EmulatorSettings(
        server=emulated_server(model, preset, _own(slots, prefill, decode, idle_w, busy_w)),
        model=model,
        host=host,
        port=port,
        seed=seed,
        faults=faults,
        late_s=late_s,
        retry_after_s=retry_after_s,
        loading=Loading(load_s=load_s, cold=cold, unload_after_s=unload_after_s),
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


def _announce(settings: EmulatorSettings, port: int) -> None:
    out().print(f"[green]Listening on[/green] http://{settings.host}:{port}/v1")
    out().print(f"model {settings.model}; {settings.server.slots} slots", markup=False)
