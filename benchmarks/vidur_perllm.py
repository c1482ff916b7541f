"""PerLLM's half of the comparison with Vidur: one run of its simulator over a trace, timed without its start-up.

Usage: python benchmarks/vidur_perllm.py TRACE POLICY SERVERS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from vidur_driver import peak_mib

from perllm.config.loader import read_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.simulation.simulator import run

# LLaMA2-7B in fp16 on one A100 80 GB, as Vidur has it: 128 sequences, 29 x 4,096 tokens of cache, prompts first (its
# vLLM scheduler). A requirement that nobody misses, so that every request is served. The world is as it is believed to
# be: Vidur knows no hidden error and no noise.
SERVER = """
  a100-{number}: {{tier: cloud, models: [m], slots: 128, kv_tokens: 118784, context_tokens: 4096,
    batching: prefill-first, step_tokens: 4096, hardware: {{device: a100-80, model: llama2-7b, weights: fp16}}}}"""
SCENARIO = """
name: vidur
servers:{servers}
services: {{chat: {{requirement: {{total_s: 120}}, expect: {{output_tokens: 330, output_spread: 0.9}}}}}}
workload:
  trace: {{file: {trace}, layout: vidur}}
  loads: {{chat: {{share: 1, model: m}}}}
scheduler: {{policy: {policy}}}
world: {{prior_error: 0, service_noise: 0, link_jitter: 0}}
"""


def measure(trace: Path, policy: str, servers: int) -> dict[str, Any]:
    """Return the same figures as Vidur's driver. The time is that of the whole run, reading the trace included."""
    fleet = "".join(SERVER.format(number=number) for number in range(servers))
    scenario = scenario_value(read_scenario(SCENARIO.format(servers=fleet, trace=trace, policy=policy), "vidur"))
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    result = run(scenario, 0).result
    return {
        "run_s": time.perf_counter() - began_s,
        "cpu_s": time.process_time() - began_cpu_s,
        "completed": result["requests"]["completed"],
        "simulated_s": result["makespan_s"],
        "mean_s": result["latency_s"]["mean"],
        "median_s": result["latency_s"]["p50"],
        "peak_mib": peak_mib(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
