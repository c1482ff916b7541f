"""Speed and memory of the simulator: the paper's scenario, a million requests, a thousand servers.

Run by hand on a quiet machine: python benchmarks/simulator.py [--small] [--out DIR]
Each case runs in a process of its own. What is told is processor time, without start-up, reading the scenario and
printing.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from decision import reference_loop
from evidence import write_evidence
from msgspec import structs

from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.simulation.scenario import Scenario
from perllm.simulation.simulator import run

PAPER = Path(__file__).parents[1] / "scenarios" / "paper-llama2-7b-stable.yaml"
ROUNDS = 7
# Policy, requests, servers, rate as a multiple of the scenario's, rounds.
Case = tuple[str, int, int, float, int]
SPEED: tuple[Case, ...] = tuple(
    (policy, 10_000, 6, 1.0, ROUNDS)
    for policy in ("round-robin", "cloud-only", "least-outstanding", "energy-greedy", "cs-ucb-paper", "cs-ucb")
)
LARGE: tuple[Case, ...] = (
    ("round-robin", 1_000_000, 6, 0.2, 1),
    ("cs-ucb", 1_000_000, 6, 1.0, 1),
    ("least-outstanding", 100_000, 1000, 150.0, 1),
    ("cs-ucb", 100_000, 1000, 150.0, 1),
)


def scenario_of(policy: str, requests: int, servers: int, times_rate: float) -> Scenario:
    """Return the paper's scenario, its fleet repeated as often as it takes."""
    paper = scenario_value(load_scenario(PAPER))
    fleet = paper.servers
    if servers > len(fleet):
        copies = -(-servers // len(fleet))
        fleet = tuple(
            structs.replace(server, server_id=f"{server.server_id}-{copy}")
            for copy in range(copies)
            for server in paper.servers
        )[:servers]
    rate_per_s = (paper.workload.rate_per_s or 1.0) * times_rate
    workload = replace(paper.workload, requests=requests, rate_per_s=rate_per_s)
    return replace(paper, policy=policy, servers=fleet, workload=workload)


def measure(case: Case) -> dict[str, Any]:
    """Run one case in this process."""
    policy, requests, servers, times_rate, rounds = case
    scenario = scenario_of(policy, requests, servers, times_rate)
    spans_s, references_us = [], []
    result: dict[str, Any] = {}
    for _ in range(rounds):
        references_us.append(reference_loop() * 1e6)
        began_s = time.process_time()
        result = run(scenario, 0).result
        spans_s.append(time.process_time() - began_s)
    return {
        "policy": policy,
        "requests": requests,
        "servers": servers,
        "rounds": rounds,
        "requests_per_s": {"median": requests / statistics.median(spans_s), "best": requests / min(spans_s)},
        "times_real_time": result["makespan_s"] / statistics.median(spans_s),
        "attainment": result["attainment"],
        "laws": result["laws"],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "reference_us": statistics.median(references_us),
    }


def main() -> None:
    """Run every case and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="leave out the million requests and the thousand servers")
    parser.add_argument("--out", type=Path, help="a folder for simulator.json")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(tuple(json.loads(arguments.case)))))
        return
    figures = []
    for case in SPEED if arguments.small else SPEED + LARGE:
        command = [sys.executable, __file__, "--case", json.dumps(case)]
        figures.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        print(_line(figures[-1]), flush=True)
    if arguments.out:
        write_evidence(arguments.out, "simulator", {"cases": figures})


def _line(figure: dict[str, Any]) -> str:
    speed, ahead = figure["requests_per_s"], figure["times_real_time"]
    return (
        f"{figure['policy']:18s} {figure['requests']:>9,} requests {figure['servers']:>5} servers:"
        f" {speed['median']:>8,.0f} requests/s (best {speed['best']:,.0f}), {ahead:>8,.0f} x real time,"
        f" {figure['peak_mib']:.0f} MiB, in time {figure['attainment']:.1%}; reference {figure['reference_us']:.1f} us"
    )


if __name__ == "__main__":
    main()
