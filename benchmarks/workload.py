"""Processor time of making one request of a workload, beside the most memory in use.

Run by hand on a quiet machine: python benchmarks/workload.py [--requests 1000000] [--trace FILE …]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.simulation.arrivals import Arrivals, Process, gamma_shape
from perllm.simulation.length_sets import length_set
from perllm.simulation.rates import Diurnal, RateShape
from perllm.simulation.scenario import TraceSource, Workload
from perllm.simulation.workload import jobs

SCENARIO = Path(__file__).parents[1] / "scenarios" / "small.yaml"


def main() -> None:
    """Print a line per kind of workload."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--trace", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    scenario = scenario_value(load_scenario(SCENARIO))
    for name, workload in workloads(scenario.workload, arguments.requests, arguments.trace):
        started_s = time.process_time()
        count = sum(1 for _ in jobs(replace(scenario, workload=workload), 0))
        took_s = time.process_time() - started_s
        most_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{name:28s} {count:9d} requests, {took_s / count * 1e6:5.2f} us each, {most_mib:6.1f} MiB at most so far"
        )


def workloads(plain: Workload, requests: int, traces: list[Path]) -> Iterator[tuple[str, Workload]]:
    """Yield the scenario's own traffic, what can make it dearer, and the traces."""
    plain = replace(plain, requests=requests)
    yield "poisson, log-normal", plain
    loads = {
        name: replace(load, prompt_tokens=length_set("sharegpt").prompt_tokens) for name, load in plain.loads.items()
    }
    yield "poisson, prompts of a set", replace(plain, loads=loads)
    wave = Arrivals(rate=RateShape(diurnal=Diurnal(period_s=86_400.0, depth=0.6)))
    yield "poisson, diurnal", replace(plain, arrivals=wave)
    bursts = Arrivals(process=Process.GAMMA, shape=gamma_shape(3.0), rate=wave.rate)
    own = {name: replace(load, arrivals=bursts) for name, load in plain.loads.items()}
    yield "three of gamma, diurnal", replace(plain, loads=own)
    for path in traces:
        yield path.name, replace(plain, rate_per_s=None, trace=TraceSource(path=path))


if __name__ == "__main__":
    main()
