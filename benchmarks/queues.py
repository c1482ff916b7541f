"""The simulated world against queueing theory: engines and links that textbooks have formulas for.

Run by hand: python benchmarks/queues.py [--requests 200000] [--out DIR]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import factorial, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from evidence import write_evidence
from msgspec.structs import replace
from numpy.typing import NDArray

from perllm.domain.attempt import Ending
from perllm.domain.profile import Batching, PowerProfile, SpeedProfile
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Link, Server, Tier
from perllm.simulation.engine import Engine
from perllm.simulation.job import Job, Truth
from perllm.simulation.link import Pipe
from perllm.simulation.streams import stream

UTILISATIONS = (0.3, 0.5, 0.7, 0.9)
# A request's work: so many tokens on average, each of a tenth of a millisecond; on a link, bytes.
MEAN_TOKENS = 10_000
TOKEN_S = 0.0001
MEAN_S = MEAN_TOKENS * TOKEN_S
RATE_BYTES_PER_S = 1e6
# Batch means: the first of these is left out, for the system begins empty; Student's t for 30 batches and 99 %.
BATCHES = 31
T_99 = 2.756
REQUEST = Request(
    request_id="r", service="s", model="m", requirement=Requirement(), payload_bytes=1, prompt_bytes=1, stream=False
)
IDLE_W, BUSY_W = 50.0, 150.0
# Neither link nor overhead: what an engine of one slot does for a request takes its tokens times TOKEN_S.
SINGLE = Server(
    server_id="engine",
    tier=Tier.EDGE,
    models=frozenset({"m"}),
    slots=1,
    kv_tokens=2**40,
    context_tokens=2**40,
    link=Link(rtt_s=0.0, up_bytes_per_s=1e300, down_bytes_per_s=1e300),
    speed=SpeedProfile(prefill_token_s=TOKEN_S, decode_token_s=TOKEN_S),
    power=PowerProfile(idle_w=IDLE_W, prefill_w=BUSY_W, decode_w=BUSY_W, decode_full_w=BUSY_W),
)
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Something with a formula: `simulate` returns the wait of each request, given gaps and work of mean 1."""

    name: str
    work: str
    simulate: Callable[[Floats, Floats], Floats]
    formula: Callable[[float], float]
    servers: int = 1


def main() -> None:
    """Print a line for each system and utilisation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = list(measured(given.requests))
    for row in rows:
        print(
            f"{row['system']:34s} load {row['utilisation']:.1f}  formula {row['formula_s']:7.4f} s"
            f"  simulated {row['simulated_s']:7.4f} ± {row['within_s']:.4f} s  ({row['deviation']:+.1%})"
        )
    power = list(powers(given.requests // 10))
    for row in power:
        print(f"watts at load {row['utilisation']:.1f}: {row['formula_w']:.2f}, simulated {row['simulated_w']:.2f}")
    lindley_s = lindley_gap_s(given.requests // 10)
    print(f"largest difference from Lindley's recursion, request by request: {lindley_s:.1e} s")
    if given.out:
        result = {"requests": given.requests, "waits": rows, "power": power, "lindley_s": lindley_s}
        write_evidence(given.out, "queues", result)


def measured(requests: int) -> Iterator[dict[str, Any]]:
    """Yield what formula and simulation say of every system at every utilisation."""
    for system in SYSTEMS:
        for utilisation in UTILISATIONS:
            gaps_s, work = draws(system, utilisation, requests)
            simulated_s, within_s = batch_means(system.simulate(gaps_s, work))
            formula_s = system.formula(utilisation)
            yield {
                "system": system.name,
                "utilisation": utilisation,
                "formula_s": formula_s,
                "simulated_s": simulated_s,
                "within_s": within_s,
                "deviation": simulated_s / formula_s - 1.0,
            }


def draws(system: System, utilisation: float, requests: int) -> tuple[Floats, Floats]:
    """Return the gaps of Poisson arrivals, and work of mean 1: exponential, or always the same."""
    name = f"{system.name}/{utilisation}"
    mean_gap_s = MEAN_S / (utilisation * system.servers)
    gaps_s = stream(1, f"{name}/gaps").exponential(mean_gap_s, requests)
    if system.work == "constant":
        return gaps_s, np.ones(requests)
    return gaps_s, stream(1, f"{name}/work").exponential(1.0, requests)


def batch_means(waits_s: Floats) -> tuple[float, float]:
    """Return the mean wait, and within what of it the true mean lies with 99 %: by the means of long batches."""
    means = [float(batch.mean()) for batch in np.array_split(waits_s, BATCHES)][1:]
    return fmean(means), T_99 * stdev(means) / sqrt(len(means))


# ---- what is simulated ----------------------------------------------------------------------------------------


def engine_waits(server: Server) -> Callable[[Floats, Floats], Floats]:
    """Return the simulation of an engine: how much longer than its own work each request takes."""
    return lambda gaps_s, work: played(server, gaps_s, work)[0]


def played(server: Server, gaps_s: Floats, work: Floats) -> tuple[Floats, Engine, float]:
    """Let requests come to an engine; return their waits, the engine, and when all was over.

    A prompt is one token, whose reading gives the first token of the answer: the work is the answer's length.
    """
    engine = Engine(server)
    arrives_at_s = np.cumsum(gaps_s)
    tokens = np.maximum(np.ceil(work * MEAN_TOKENS), 1).astype(int)
    for number, (at_s, count) in enumerate(zip(arrives_at_s.tolist(), tokens.tolist(), strict=True)):
        truth = Truth(prompt_tokens=1, output_tokens=count, upload_bytes=0)
        engine.arrive(str(number), Job(request=REQUEST, truth=truth), at_s)
    ended_at_s = np.zeros(len(work))
    while (report := engine.advance(1e300)) is not None:
        assert isinstance(report.event, Ending)
        ended_at_s[int(report.attempt_id)] = report.at_s
    return ended_at_s - arrives_at_s - tokens * TOKEN_S, engine, float(ended_at_s.max())


def link_waits(gaps_s: Floats, work: Floats) -> Floats:
    """Simulate a link: how long the bytes of each request queue before they move."""
    pipe = Pipe(RATE_BYTES_PER_S)
    waits_s = []
    for at_s, units in zip(np.cumsum(gaps_s).tolist(), work.tolist(), strict=True):
        moves_s = units * MEAN_S
        waits_s.append(pipe.send(at_s, moves_s * RATE_BYTES_PER_S) - at_s - moves_s)
    return np.array(waits_s)


# ---- what theory says -----------------------------------------------------------------------------------------


def waits_exponential(utilisation: float) -> float:
    """M/M/1."""
    return utilisation / (1.0 - utilisation) * MEAN_S


def waits_constant(utilisation: float) -> float:
    """M/D/1 (Pollaczek and Khinchine)."""
    return utilisation / (2.0 * (1.0 - utilisation)) * MEAN_S


def waits_several(servers: int) -> Callable[[float], float]:
    """M/M/c: Erlang's formula C for the probability of waiting at all."""

    def formula(utilisation: float) -> float:
        load = utilisation * servers
        last = load**servers / factorial(servers) / (1.0 - utilisation)
        waiting = last / (sum(load**busy / factorial(busy) for busy in range(servers)) + last)
        return waiting * MEAN_S / (servers * (1.0 - utilisation))

    return formula


# ---- systems --------------------------------------------------------------------------------------------------

# Writing is arithmetic alone: n requests take n times as long for a token each, which is sharing a processor.
SHARING = replace(SINGLE, slots=1000)
# Writing is reading the weights alone, and a prompt is read beside it: everybody in a slot is as fast as if alone.
SEVERAL = replace(
    SINGLE,
    slots=4,
    batching=Batching.CHUNKED,
    speed=SpeedProfile(prefill_token_s=TOKEN_S / 1000, decode_token_s=0.0, weights_read_s=TOKEN_S),
)
SYSTEMS = (
    System(
        name="engine of one slot, M/M/1", work="exponential", simulate=engine_waits(SINGLE), formula=waits_exponential
    ),
    System(name="engine of one slot, M/D/1", work="constant", simulate=engine_waits(SINGLE), formula=waits_constant),
    System(name="link, M/M/1", work="exponential", simulate=link_waits, formula=waits_exponential),
    System(name="link, M/D/1", work="constant", simulate=link_waits, formula=waits_constant),
    System(
        name="engine of four slots, M/M/4",
        work="exponential",
        servers=SEVERAL.slots,
        simulate=engine_waits(SEVERAL),
        formula=waits_several(SEVERAL.slots),
    ),
    # Sharing a processor makes everybody wait as M/M/1 does, whatever the law of the work.
    System(name="batch, M/M/1-PS", work="exponential", simulate=engine_waits(SHARING), formula=waits_exponential),
    System(name="batch, M/D/1-PS", work="constant", simulate=engine_waits(SHARING), formula=waits_exponential),
)


# ---- joules, and the same queue by another way ----------------------------------------------------------------


def powers(requests: int) -> Iterator[dict[str, float]]:
    """Yield the mean watts of an engine of one slot: idle watts, and what work draws above them while it works."""
    for utilisation in (0.0, *UTILISATIONS):
        gaps_s, work = draws(SYSTEMS[0], utilisation or 1.0, requests if utilisation else 0)
        formula_w = IDLE_W + utilisation * (BUSY_W - IDLE_W)
        engine, over_at_s = (Engine(SINGLE), 1e5) if not utilisation else played(SINGLE, gaps_s, work)[1:]
        joules = engine.infer_j + engine.idle_joules(over_at_s).powered_j
        yield {"utilisation": utilisation, "formula_w": formula_w, "simulated_w": joules / over_at_s}


def lindley_gap_s(requests: int) -> float:
    """Return by how much any wait differs from Lindley's: max(wait before + work before - gap, 0)."""
    gaps_s, work = draws(SYSTEMS[0], 0.9, requests)
    waits_s = played(SINGLE, gaps_s, work)[0]
    largest_s, wait_s, before_s = 0.0, 0.0, 0.0
    for number, gap_s in enumerate(gaps_s.tolist()):
        wait_s = max(wait_s + before_s - gap_s, 0.0)
        before_s = max(float(np.ceil(work[number] * MEAN_TOKENS)), 1.0) * TOKEN_S
        largest_s = max(largest_s, abs(float(waits_s[number]) - wait_s))
    return largest_s


if __name__ == "__main__":
    main()
