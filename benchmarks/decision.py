"""Cost of one decision (submit + close) at 6 and at 1,000 servers, beside a reference loop of plain Python.

Run by hand on a quiet machine: python benchmarks/decision.py [--servers 6] [--decisions 20000] [--large 1000]
[--out DIR]. The large fleet takes a tenth of the decisions.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from evidence import write_evidence

from perllm.domain.action import Dispatch
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Link, Server, Tier
from perllm.domain.service import Service
from perllm.scheduling.policies import REGISTRY, make_policy
from perllm.scheduling.scheduler import Scheduler

IN_FLIGHT = 12
# What is measured in the large fleet: others hold requests there until there are more of them.
LARGE_POLICIES = ("cs-ucb", "energy-greedy", "least-outstanding", "round-robin", "cloud-only")


def fleet(count: int) -> list[Server]:
    """Return one cloud server and `count - 1` edges."""
    servers = []
    for number in range(count):
        cloud = number == 0
        servers.append(
            Server(
                server_id=f"server-{number}",
                tier=Tier.CLOUD if cloud else Tier.EDGE,
                models=frozenset({"chat"}),
                slots=64 if cloud else 4,
                kv_tokens=100_000,
                context_tokens=8192,
                link=Link(rtt_s=0.04 if cloud else 0.002, j_per_byte=2.4e-7),
                speed=SpeedProfile(prefill_token_s=0.0002, decode_token_s=0.0005, weights_read_s=0.01),
                power=PowerProfile(idle_w=60.0, prefill_w=300.0, decode_w=200.0, decode_full_w=300.0),
            )
        )
    return servers


def measure(policy: str, servers: int, decisions: int) -> list[float]:
    """Return the seconds of each submit + close, with a dozen requests in flight all the time."""
    names = [f"service-{number}" for number in range(4)]
    scheduler = Scheduler(
        servers=fleet(servers),
        services=[Service(name=name, requirement=Requirement(total_s=6.0)) for name in names],
        policy=make_policy(policy),
        rng=np.random.default_rng(0),
    )
    open_attempts: deque[str] = deque()
    samples = []
    now_s = 0.0
    for number in range(decisions):
        now_s += 0.05
        request = Request(
            request_id=f"r{number}", service=names[number % 4], model="chat",
            requirement=Requirement(total_s=6.0), payload_bytes=800, prompt_bytes=400, max_output_tokens=128,
            stream=True,
        )  # fmt: skip
        ending = Ending(
            kind=EndingKind.COMPLETED, usage=Usage(prompt_tokens=100, output_tokens=40 + number % 50), infer_j=20.0
        )
        started_s = time.perf_counter()
        actions = scheduler.submit(request, now_s)
        submitted_s = time.perf_counter() - started_s
        for action in actions:
            if isinstance(action, Dispatch):
                open_attempts.append(action.attempt_id)
                scheduler.progress(action.attempt_id, Progress(stage=Stage.FIRST_TOKEN, tokens=1), now_s + 0.01)
        if len(open_attempts) > IN_FLIGHT:
            attempt_id = open_attempts.popleft()
            started_s = time.perf_counter()
            scheduler.close(attempt_id, ending, now_s)
            samples.append(submitted_s + time.perf_counter() - started_s)
    if len(samples) < decisions / 2:
        raise SystemExit(f"{policy}: most requests were held or refused, so this measured something else")
    return samples


def reference_loop() -> float:
    """Return the seconds of 1,000 additions and list writes: the machine's speed at the time of the run."""
    rounds = []
    for _ in range(50):
        values = [0.0] * 1000
        started_s = time.perf_counter()
        for index in range(1000):
            values[index] = values[index - 1] + 1.5
        rounds.append(time.perf_counter() - started_s)
    return statistics.median(rounds)


def figures_of(
    policies: Iterable[str], servers: int, decisions: int, reference_us: float
) -> dict[str, dict[str, float]]:
    """Measure some policies and print a line for each."""
    figures: dict[str, dict[str, float]] = {}
    for policy in policies:
        samples = sorted(measure(policy, servers, decisions))
        median_us, p99_us = statistics.median(samples) * 1e6, samples[int(len(samples) * 0.99)] * 1e6
        figures[policy] = {"median_us": median_us, "p99_us": p99_us, "median_per_reference": median_us / reference_us}
        print(
            f"{servers:5d} servers, {policy:20s} submit + close: median {median_us:7.1f} us, p99 {p99_us:7.1f} us, "
            f"median / reference {median_us / reference_us:.2f}"
        )
    return figures


def main() -> None:
    """Print a line per policy and fleet; medians, since other work on the machine only ever slows decisions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=6)
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--large", type=int, default=1000, help="servers of the large fleet; 0 leaves it out")
    parser.add_argument("--out", type=Path, help="a folder for decision.json")
    arguments = parser.parse_args()
    reference_us = reference_loop() * 1e6
    print(f"reference loop of 1,000 steps: {reference_us:.1f} us")
    figures = figures_of(REGISTRY, arguments.servers, arguments.decisions, reference_us)
    result = {"servers": arguments.servers, "reference_us": reference_us, "policies": figures}
    if arguments.large:
        large = figures_of(LARGE_POLICIES, arguments.large, arguments.decisions // 10, reference_us)
        result |= {"large_servers": arguments.large, "large_policies": large}
    if arguments.out:
        write_evidence(arguments.out, "decision", result)


if __name__ == "__main__":
    main()
