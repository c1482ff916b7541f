"""Make the length sets that ship with the simulator from public traces, and say how well draws from them fit.

Run by hand: python benchmarks/length_sets.py TRACES [--out src/perllm/simulation/length_tables] [--check]

TRACES is a folder with the files as their publishers name them: azure/AzureLLMInferenceTrace_conv_2023.csv.gz,
lengths/sharegpt_lengths_helix.csv.gz, lengths/alpaca_lengths_helix.csv.gz, lengths/arxiv_summarization_vidur.csv.gz and
servegen/m-small. Azure's code trace is not needed: its set is fitted to the quantiles that are published of it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from perllm.simulation.arrivals import Process, gamma_shape, weibull_cv
from perllm.simulation.length_sets import length_set, length_set_names
from perllm.simulation.lengths import TableLengths
from perllm.simulation.token_draws import TokenDraws
from perllm.simulation.traces.reading import read_trace
from perllm.simulation.traces.servegen_files import ClientLengths, Window, clients_of

Values = NDArray[Any]
# Tokens, and the weight of each.
Weighted = tuple[Values, Values]

PROBABILITIES: Final = (
    *(0.0, 0.01),
    *(round(0.025 * step, 3) for step in range(1, 40)),
    *(0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 1.0),
)
SHIPPED: Final = Path(__file__).parents[1] / "src" / "perllm" / "simulation" / "length_tables"
DRAWS: Final = 400_000

_HELIX = "github.com/Thesys-lab/Helix-ASPLOS25, simulator/trace_generator/length_data, commit 148b7330"
_AZURE = "github.com/Azure/AzurePublicDataset, AzureLLMInferenceTrace_{}.csv (2023), commit b469a113"
_SERVEGEN = "github.com/alibaba/ServeGen, data/language/m-small, commit f891d118"
_MICROSOFT = "CC-BY-4.0, Microsoft; to be cited as Splitwise (Patel et al., ISCA 2024)"
# What is published of Azure's code trace: quantiles by share. The end of its prompts is not published.
_CODE: Final = {
    "prompt_tokens": ({0.5: 1469, 0.9: 5194, 0.99: 7436, 1.0: 7436}, 2047.8),
    "output_tokens": ({0.5: 13, 0.9: 55, 0.99: 252, 1.0: 1899}, 27.9),
}


def main() -> None:
    """Write every set, or only check those that are shipped; print the fit of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traces", type=Path, help="the folder of the traces")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where the sets are written")
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    made = dict(sets(arguments.traces))
    if not arguments.check:
        arguments.out.mkdir(parents=True, exist_ok=True)
        for name, content in made.items():
            (arguments.out / f"{name}.json").write_text(_as_json(content), encoding="utf-8")
    print(f"{'set':24s} {'quantity':14s} source mean/p50/p90/p99        drawn mean/p50/p90/p99")
    for name in length_set_names():
        for quantity in ("prompt_tokens", "output_tokens"):
            print(
                f"{name:24s} {quantity:14s} {_shown(made[name]['statistics'][quantity]):30s} {_drawn(name, quantity)}"
            )


def sets(traces: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Make every set."""
    lengths = traces / "lengths"
    for name in ("alpaca", "sharegpt"):
        pairs = _pairs(lengths / f"{name}_lengths_helix.csv.gz", "input_tokens", "output_tokens")
        yield name, _set(_HELIX, "Apache-2.0", *pairs)
    pairs = _pairs(lengths / "arxiv_summarization_vidur.csv.gz", "num_prefill_tokens", "num_decode_tokens")
    source = "github.com/microsoft/vidur, arxiv_summarization_stats_llama2_tokenizer_filtered_v2.csv, commit 7d475133"
    yield "arxiv-summarisation", _set(source, "MIT", *pairs)
    requests = list(read_trace(traces / "azure" / "AzureLLMInferenceTrace_conv_2023.csv.gz"))
    prompts, outputs = ([each.prompt_tokens for each in requests], [each.output_tokens for each in requests])
    yield "azure-conv-2023", _set(_AZURE.format("conv"), _MICROSOFT, _equal(prompts), _equal(outputs))
    yield "azure-code-2023", _code_set()
    yield from _servegen_sets(traces / "servegen" / "m-small")


def _set(source: str, licence: str, prompts: Weighted, outputs: Weighted, **more: Any) -> dict[str, Any]:
    return {
        "source": source,
        "licence": licence,
        "fit": "quantiles of the whole source",
        **more,
        "statistics": {"prompt_tokens": _statistics(prompts), "output_tokens": _statistics(outputs)},
        "probabilities": list(PROBABILITIES),
        "prompt_tokens": _quantiles(prompts),
        "output_tokens": _quantiles(outputs),
    }


def _pairs(path: Path, prompt: str, output: str) -> tuple[Weighted, Weighted]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return _equal([int(row[prompt]) for row in rows]), _equal([int(row[output]) for row in rows])


def _equal(tokens: Sequence[int]) -> Weighted:
    return np.array(tokens), np.ones(len(tokens))


def _quantiles(weighted: Weighted) -> list[int]:
    return [_quantile(weighted, share) for share in PROBABILITIES]


def _quantile(weighted: Weighted, share: float) -> int:
    """Return the smallest length that at least this share of requests does not exceed."""
    tokens, weights = weighted
    order = np.argsort(tokens, kind="stable")
    cumulative = np.cumsum(weights[order]) / np.sum(weights)
    place = int(np.searchsorted(cumulative, share - 1e-9, side="left"))
    return int(tokens[order][min(place, len(order) - 1)])


def _statistics(weighted: Weighted) -> dict[str, float]:
    tokens, weights = weighted
    mean = float(np.average(tokens, weights=weights))
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {"mean": round(mean, 1), **{name: _quantile(weighted, share) for name, share in shares.items()}}


def _code_set() -> dict[str, Any]:
    content: dict[str, Any] = {
        "source": _AZURE.format("code"),
        "licence": _MICROSOFT,
        "fit": (
            "to the published p50, p90 and p99 only: straight on a logarithmic scale between them, from a shortest"
            " length that brings the mean closest to the published one; prompts end at their p99, since their longest"
            " is not published"
        ),
        "statistics": {},
        "probabilities": list(PROBABILITIES),
    }
    for quantity, (known, mean) in _CODE.items():
        first = min(range(1, int(known[0.5])), key=lambda first: abs(_mean(_logarithmic(first, known)) - mean))
        content[quantity] = [round(tokens) for tokens in _logarithmic(first, known)]
        longest = {} if quantity == "prompt_tokens" else {"max": known[1.0]}
        shares = {"p50": known[0.5], "p90": known[0.9], "p99": known[0.99]}
        content["statistics"][quantity] = {"mean": mean, **shares, **longest}
    return content


def _logarithmic(first: float, known: Mapping[float, float]) -> Values:
    known = {0.0: first, **known}
    curve: Values = np.exp(np.interp(PROBABILITIES, list(known), np.log(list(known.values()))))
    return curve


def _mean(curve: Values) -> float:
    return float(np.trapezoid(curve, PROBABILITIES))


def _servegen_sets(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Make a set of each client, and one of all of them together in proportion to their requests."""
    clients = clients_of(folder)
    requests = {name: sum(window.rate_per_s for window in windows.values()) for name, (_, windows) in clients.items()}
    parts = {name: _client_lengths(lengths, windows) for name, (lengths, windows) in clients.items()}
    for name, (_, windows) in clients.items():
        arrivals = {**_arrivals(windows), "share": round(requests[name] / sum(requests.values()), 4)}
        fit = f"quantiles of client {name}, each of its windows weighted by its requests"
        yield f"servegen-m-small-{name}", _set(_SERVEGEN, "Apache-2.0", *parts[name], fit=fit, arrivals=arrivals)
    fit = f"quantiles of {len(clients)} clients together, each weighted by its requests"
    both = [_joined([parts[name][column] for name in clients]) for column in (0, 1)]
    yield "servegen-m-small", _set(_SERVEGEN, "Apache-2.0", *both, fit=fit)


def _client_lengths(lengths: ClientLengths, windows: Mapping[float, Window]) -> tuple[Weighted, Weighted]:
    prompts: list[Weighted] = []
    outputs: list[Weighted] = []
    for start_s, window in windows.items():
        for histogram, kept in zip(lengths.around(start_s), (prompts, outputs), strict=True):
            shares = np.diff(histogram.cumulative, prepend=0.0)
            kept.append((histogram.tokens, shares * window.rate_per_s))
    return _joined(prompts), _joined(outputs)


def _joined(parts: Sequence[Weighted]) -> Weighted:
    tokens, weights = (np.concatenate([part[column] for part in parts]) for column in (0, 1))
    kinds, places = np.unique(tokens, return_inverse=True)
    return kinds, np.bincount(places, weights=weights)


def _arrivals(windows: Mapping[float, Window]) -> dict[str, Any]:
    """Return the process that most of a client's requests follow, and the median CV of its windows, by requests."""
    rates = np.array([window.rate_per_s for window in windows.values()])
    gamma = np.array([window.arrivals.process is Process.GAMMA for window in windows.values()])
    process = "gamma" if rates[gamma].sum() >= rates.sum() / 2 else "weibull"
    chosen = [window for window in windows.values() if window.arrivals.process == process]
    pairs = sorted((_cv(window), window.rate_per_s) for window in chosen)
    before = np.cumsum([rate for _, rate in pairs])
    median = pairs[int(np.searchsorted(before, before[-1] / 2))][0]
    return {"process": process, "cv": round(median, 2)}


def _cv(window: Window) -> float:
    shape = window.arrivals.shape
    # The gamma distribution's shape and CV follow from one another by the same formula both ways.
    return gamma_shape(shape) ** 0.5 if window.arrivals.process is Process.GAMMA else weibull_cv(shape)


def _drawn(name: str, quantity: str) -> str:
    table: TableLengths = getattr(length_set(name), quantity)
    tokens = TokenDraws([replace(table)], 1, "fit").draw(np.zeros(DRAWS, dtype=int))
    return _shown(_statistics((tokens, np.ones(DRAWS))))


def _shown(statistics: Mapping[str, float]) -> str:
    return f"{statistics['mean']:.1f} / {statistics['p50']} / {statistics['p90']} / {statistics['p99']}"


def _as_json(content: Mapping[str, Any]) -> str:
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
