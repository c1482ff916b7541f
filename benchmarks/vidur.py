"""Time PerLLM's simulator beside Vidur's on the same traces, in one run: what a simulated request costs.

Vidur is Microsoft's simulator of LLM serving. Get it from github.com/microsoft/vidur; commit 7d47513 was measured. It
needs a virtual environment of its own (Python 3.10 or newer, best the one PerLLM runs on) with numpy, pandas,
scikit-learn, ddsketch, fasteners, plotly_express, matplotlib, seaborn, kaleido and wandb, which it imports even when it
draws and sends nothing. Then:

    python benchmarks/vidur.py --vidur DIR --python VENV/bin/python [--requests 2000] [--rounds 3] [--out DIR]

Both simulate LLaMA2-7B on A100s, with the same arrivals and tokens. Vidur runs its vLLM scheduler behind round robin,
with forests of 50 trees in place of its search among 27 kinds: they are looked up from a table either way. Where its
checkout lacks the attention profile of that pair, it is given a stand-in, which moves its predicted seconds alone.
Every run is a process of its own; rounds alternate, and a ratio is of two runs of one round. What is timed are the
events alone, from the first arrival to the last end, without start-up, training, reading the trace or writing files,
in seconds of CPU: both are single threads that never wait, and others' work on the machine counts for less so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from evidence import write_evidence
from vidur_inputs import MAX_TOKENS, write_attention, write_trace

HERE = Path(__file__).parent
MODEL, DEVICE = "meta-llama/Llama-2-7b-hf", "a100"
POLICIES = ("round-robin", "cs-ucb")
VIDUR, VIDUR_METRICS = "vidur", "vidur with its default metrics"
FOREST = "--random_forrest_execution_time_predictor_config_"

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A load on a number of replicas."""

    replicas: int
    rate_per_s: float
    default_metrics: bool = False

    def __str__(self) -> str:
        return f"{self.replicas} x A100, {self.rate_per_s:g} requests/s"


CASES = (
    Case(replicas=1, rate_per_s=1.0),
    Case(replicas=1, rate_per_s=4.0, default_metrics=True),
    Case(replicas=1, rate_per_s=10.0),
    Case(replicas=4, rate_per_s=16.0),
)


class Bench:
    """Both simulators over the traces of one run, which lie in a folder together with all that Vidur writes."""

    def __init__(self, vidur: Path, python: str, folder: Path) -> None:
        self._vidur, self._python, self._folder = vidur, python, folder
        own = vidur / "data" / "profiling" / "compute" / DEVICE / MODEL / "attention.csv"
        self.own_attention = own.is_file()
        self._attention = own if self.own_attention else folder / "attention.csv"
        if not self.own_attention:
            write_attention(self._attention)

    def vidur(self, case: Case, trace: Path, *, metrics: bool = False) -> Figures:
        """Run Vidur once. The first of all runs trains its predictor, the others load it."""
        arguments = {
            "--replica_config_device": DEVICE,
            "--replica_config_model_name": MODEL,
            "--cluster_config_num_replicas": case.replicas,
            "--global_scheduler_config_type": "round_robin",
            "--replica_scheduler_config_type": "vllm",
            "--request_generator_config_type": "trace_replay",
            "--trace_request_generator_config_trace_file": trace,
            "--trace_request_generator_config_max_tokens": MAX_TOKENS,
            f"{FOREST}attention_input_file": self._attention,
            f"{FOREST}num_estimators": 50,
            f"{FOREST}max_depth": 16,
            f"{FOREST}min_samples_split": 2,
            f"{FOREST}k_fold_cv_splits": 2,
            f"{FOREST}num_training_job_threads": 1,
            "--metrics_config_output_dir": self._folder / "output",
            "--metrics_config_cache_dir": self._folder / "cache",
        }
        switches = ["--no-metrics_config_store_plots", "--no-metrics_config_enable_chrome_trace"]
        if not metrics:
            switches.append("--no-metrics_config_write_metrics")
        words = [str(word) for pair in arguments.items() for word in pair]
        # On standard input, not as a file: a script's own folder would come first in its path, and holds this module.
        driver = (HERE / "vidur_driver.py").read_text()
        return _timed([self._python, "-", *words, *switches], cwd=self._vidur, text=driver)

    def perllm(self, case: Case, trace: Path, policy: str) -> Figures:
        """Run PerLLM's simulator once."""
        return _timed([sys.executable, str(HERE / "vidur_perllm.py"), str(trace), policy, str(case.replicas)])

    def trace(self, case: Case, requests: int) -> Path:
        """Write the trace of a case."""
        file = self._folder / f"trace-{case.rate_per_s:g}.csv"
        write_trace(file, requests, case.rate_per_s)
        return file

    def round(self, case: Case, trace: Path) -> dict[str, Figures]:
        """Run everyone once."""
        runs = {VIDUR: self.vidur(case, trace)}
        if case.default_metrics:
            runs[VIDUR_METRICS] = self.vidur(case, trace, metrics=True)
        return runs | {policy: self.perllm(case, trace, policy) for policy in POLICIES}


def _timed(command: list[str], *, cwd: Path | None = None, text: str | None = None) -> Figures:
    """Run a child that ends by printing its figures, and add what it took besides."""
    began_s = time.perf_counter()
    child = subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True, check=False)
    took_s = time.perf_counter() - began_s
    if child.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{child.stderr[-2000:]}")
    figures: Figures = json.loads(child.stdout.splitlines()[-1])
    return figures | {"start_s": took_s - figures["run_s"]}


def summary(rounds: list[dict[str, Figures]], name: str, requests: int) -> Figures:
    """Put the rounds of one contestant together."""
    runs = [each[name] for each in rounds]
    if any(run["completed"] != requests for run in runs):
        raise SystemExit(f"{name} did not complete all requests, so this measured something else")
    return {
        "cpu_ms_per_request": spread(run["cpu_s"] / requests * 1e3 for run in runs),
        "vidur_to_it": spread(each[VIDUR]["cpu_s"] / each[name]["cpu_s"] for each in rounds),
        "simulated_to_wall": median(run["simulated_s"] / run["run_s"] for run in runs),
        "start_s": median(run["start_s"] for run in runs),
        "peak_mib": median(run["peak_mib"] for run in runs),
        "mean_latency_s": runs[-1]["mean_s"],
        "median_latency_s": runs[-1]["median_s"],
    }


def spread(values: Iterable[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"median": median(ordered), "min": ordered[0], "max": ordered[-1]}


def table(figures: dict[str, Figures]) -> Iterable[str]:
    """Yield the lines of a table: one for each contestant."""
    yield (
        f"{'':32s}{'CPU ms per request':>24s}{'vidur / it':>22s}{'simulated / wall':>18s}{'start s':>9s}{'MiB':>6s}"
        f"{'latency mean, median s':>24s}"
    )
    for name, told in figures.items():
        yield (
            f"{name:32s}{ranged(told['cpu_ms_per_request'], 3):>24s}{ranged(told['vidur_to_it'], 1):>22s}"
            f"{told['simulated_to_wall']:18,.0f}{told['start_s']:9.1f}{told['peak_mib']:6.0f}"
            f"{told['mean_latency_s']:17.2f}, {told['median_latency_s']:.2f}"
        )


def ranged(values: dict[str, float], digits: int) -> str:
    return "{median:.{d}f} ({min:.{d}f}-{max:.{d}f})".format(d=digits, **values)


def commit_of(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def main() -> None:
    """Run all cases and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vidur", type=Path, required=True, help="a checkout of Vidur")
    parser.add_argument("--python", type=Path, required=True, help="the Python of Vidur's own environment")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a folder for vidur.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Made absolute and not resolved: a virtual environment's Python is a link to another's.
        bench = Bench(arguments.vidur.absolute(), str(arguments.python.absolute()), Path(folder))
        first = bench.vidur(CASES[0], bench.trace(CASES[0], 10))
        print(f"Vidur trained its predictor and ran 10 requests in {first['start_s'] + first['run_s']:.1f} s")
        if not bench.own_attention:
            print("Vidur's checkout has no attention profile of this pair: it got a stand-in")
        cases = []
        for case in CASES:
            trace = bench.trace(case, arguments.requests)
            rounds = [bench.round(case, trace) for _ in range(arguments.rounds)]
            figures = {name: summary(rounds, name, arguments.requests) for name in rounds[0]}
            print(f"\n{case}", *table(figures), sep="\n", flush=True)
            cases.append(asdict(case) | {"figures": figures})
        if arguments.out:
            vidur = {"commit": commit_of(arguments.vidur), "own_attention": bench.own_attention, **first["versions"]}
            result = {"requests": arguments.requests, "rounds": arguments.rounds, "vidur": vidur, "cases": cases}
            write_evidence(arguments.out, "vidur", result)


if __name__ == "__main__":
    main()
