"""Run Vidur once and say what its simulation proper took; fed to Vidur's own Python on standard input.

It takes Vidur's own arguments. Its folder must be the working folder, so that `vidur` is Vidur and not the benchmark.
"""

from __future__ import annotations

import atexit
import json
import statistics
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any


def peak_mib() -> float:
    """Return the most memory this process ever held; unlike rusage, this forgets who started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure() -> dict[str, Any]:
    """Load everything, then time the events alone."""
    config = import_module("vidur.config").SimulationConfig.create_from_cli_args()
    import_module("vidur.utils.random").set_seeds(config.seed)
    simulator = import_module("vidur.simulator").Simulator(config)
    atexit.unregister(simulator._write_output)
    # No public way leads to the requests, and without metrics nobody else keeps them.
    requests = [event._request for _, event in simulator._event_queue]
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    simulator.run()
    run_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    latencies_s = [float(request.e2e_time) for request in requests if request.completed]
    return {
        "run_s": run_s,
        "cpu_s": cpu_s,
        "completed": len(latencies_s),
        "simulated_s": float(simulator._time),
        "mean_s": statistics.mean(latencies_s),
        "median_s": statistics.median(latencies_s),
        "peak_mib": peak_mib(),
        "versions": {"python": sys.version.split()[0]} | {name: version(name) for name in ("numpy", "pandas")},
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
