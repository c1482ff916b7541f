"""PerLLM's half of the comparison with Vidur: one run of its simulator over a trace, timed without its start-up.

Usage: python benchmarks/vidur_perllm.py TRACE POLICY SERVERS
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from numpy.random import default_rng
from vidur_driver import peak_mib

from perllm.accounting import Ledger
from perllm.domain.action import Fate, Finish, Outcome
from perllm.domain.entry import Entry, EventKind
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Link, Server, Tier
from perllm.domain.service import Service
from perllm.journal.recording import Recording
from perllm.scheduling.policies import make_policy
from perllm.scheduling.scheduler import Scheduler
from perllm.simulation.job import Job, Truth
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.simulator import Simulator
from perllm.simulation.world import World

# A requirement that nobody misses, so that every request is served, as Vidur does.
CHAT = Service(name="chat", requirement=Requirement(total_s=120.0), output_tokens=330.0, output_spread=0.9)
# The world is as it is believed to be: Vidur knows no hidden error and no noise.
TRUE_WORLD = WorldSettings(prior_error=0.0, service_noise=0.0, link_jitter=0.0)


def server(number: int) -> Server:
    """Return an A100 80 GB with LLaMA2-7B in fp16 as Vidur has it: 128 sequences, and 29 x 4,096 tokens of cache."""
    return Server(
        server_id=f"a100-{number}",
        tier=Tier.CLOUD,
        models=frozenset({"m"}),
        slots=128,
        kv_tokens=118_784,
        context_tokens=4096,
        link=Link(),
        speed=SpeedProfile(
            prefill_token_s=6.9e-5,  # 2 x 6.74e9 operations a token at 0.63 of 312 TFLOP/s
            weights_read_s=9.3e-3,  # Vidur's profile: all dense layers for one token
            # Our choice: 22 ms a step at 92 sequences of some 390 tokens, as in Vidur; what longer contexts cost is not
            # modelled, so that steps of 20-60 sequences come out up to 30 % too short.
            decode_token_s=2.2e-4,
            step_overhead_s=1.5e-3,
        ),
        power=PowerProfile(idle_w=85.0, prefill_w=400.0, decode_w=230.0, decode_full_w=320.0),
    )


def jobs(trace: Path) -> list[tuple[float, Job]]:
    """Read a trace in Vidur's layout."""
    with trace.open(newline="") as sheet:
        return [job(number, row) for number, row in enumerate(csv.DictReader(sheet))]


def job(number: int, row: dict[str, str]) -> tuple[float, Job]:
    prompt, payload_bytes = int(row["num_prefill_tokens"]), 4 * int(row["num_prefill_tokens"])
    request = Request(
        request_id=f"r{number}",
        service="chat",
        model="m",
        requirement=CHAT.requirement,
        payload_bytes=payload_bytes,
        prompt_bytes=payload_bytes,
        stream=True,
    )
    output = int(row["num_decode_tokens"])
    truth = Truth(prompt_tokens=prompt, output_tokens=output, upload_bytes=payload_bytes)
    return float(row["arrived_at"]), Job(request=request, truth=truth)


def simulate(arrivals: list[tuple[float, Job]], policy: str, servers: int) -> tuple[dict[str, float], list[Outcome]]:
    """Run the scheduler in its world with full accounting; return what that took and what came of each request.

    Whatever else changes in the simulator, this is the one place here that knows how it is started.
    """
    fleet = tuple(server(number) for number in range(servers))
    world = World(fleet, TRUE_WORLD, 0)
    ledger = Ledger(world.servers, 0.0, idle=TRUE_WORLD.idle, services=[CHAT])
    outcomes: list[Outcome] = []

    def account(entry: Entry) -> None:
        if entry.kind is not EventKind.CONFIGURE:
            ledger(entry)
        outcomes.extend(action.outcome for action in entry.actions if isinstance(action, Finish))

    scheduler = Scheduler(servers=fleet, services=[CHAT], policy=make_policy(policy), rng=default_rng(0))
    brain = Recording(scheduler, [account])
    simulator = Simulator(
        brain=brain, world=world, arrivals=arrivals, probe_interval_s=TRUE_WORLD.probe_interval_s
    )  # fmt: skip
    brain.configure(fleet, (CHAT,), 0.0)
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    simulator.run()
    ledger.result(
        scenario="vidur", policy=policy, seed=0, finished_at_s=simulator.now_s, server_joules=world.joules()
    )  # fmt: skip
    run_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    return {"run_s": run_s, "cpu_s": cpu_s}, outcomes


def measure(trace: Path, policy: str, servers: int) -> dict[str, Any]:
    """Return the same figures as Vidur's driver."""
    took, outcomes = simulate(jobs(trace), policy, servers)
    latencies_s = [end.finished_at_s - end.arrived_at_s for end in outcomes if end.fate is Fate.COMPLETED]
    return {
        **took,
        "completed": len(latencies_s),
        "simulated_s": max(end.finished_at_s for end in outcomes),
        "mean_s": statistics.mean(latencies_s),
        "median_s": statistics.median(latencies_s),
        "peak_mib": peak_mib(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
