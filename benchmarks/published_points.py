"""What others have measured. The larger tables are read from files, the smaller ones stand here with their sources.

Files (docs/validation.md says where they come from): `vidur_dense_layer_times.csv.gz` (MIT),
`helix_layer_times.csv.gz` (Apache-2.0), `argonne_a100_h100_results.csv.gz` and `argonne_power_results.csv.gz`
(BSD-3-Clause).
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

MODELS = {
    "Llama-2-7b-hf": "llama2-7b",
    "Meta-Llama-3-8B": "llama3-8b",
    "CodeLlama-34b-Instruct-hf": "codellama-34b",
    "Llama-2-70b-hf": "llama2-70b",
    "llama1_30b": "llama-33b",
    "llama2_70b": "llama2-70b",
}
_EVERY = 4


class Point(NamedTuple):
    """One measurement. `fits`: the constants of the device presets were fitted on it."""

    device: str
    model: str
    size: int
    measured: float
    fits: bool = False
    length: int = 0


def vidur(folder: Path) -> list[Point]:
    """Return seconds of a layer without attention by tokens, one device: the median of several measurements.

    Fitted on: of LLaMA2-7B and CodeLlama-34B every fourth number of tokens.
    """
    found: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for row in _rows(folder / "vidur_dense_layer_times.csv.gz"):
        if row["tp"] == "1":
            model = MODELS[row["model"].partition("/")[2]]
            found[row["device"], model, int(row["num_tokens"])].append(float(row["dense_layer_ms"]) / 1000)
    cards = {"a100": "a100-80", "h100": "h100"}
    points = [
        Point(cards[device], model, size, median(times)) for (device, model, size), times in sorted(found.items())
    ]
    return _every_fourth(points, {"llama2-7b", "codellama-34b"})


def helix(folder: Path, phase: str) -> list[Point]:
    """Return seconds of a layer by tokens read (`prompt`) or sequences (`decode`), on one card.

    Times of a prompt have a resolution of 1 ms: those below 7 ms, of which that is 15 %, are left out. So are batches
    above 100 sequences, which are in no engine's cache. Fitted on: of LLaMA2-70B's prompts on the A100, and of all
    LLaMA-30B points on L4, T4 and V100, every fourth.
    """
    cards = {"a100": "a100-40", "l4": "l4", "t4": "t4", "v100": "v100"}
    points = [
        Point(cards[row["gpu"]], MODELS[row["model"]], int(row["batch_tokens"]), float(row["ms_per_layer"]) / 1000)
        for row in _rows(folder / "helix_layer_times.csv.gz")
        if row["phase"] == phase and row["gpu"] in cards
    ]
    kept = [
        point
        for point in points
        if (point.measured >= 0.007 if phase == "prompt" else point.measured > 0 and point.size <= 100)
    ]
    big = [point for point in kept if point.device == "a100-40"]
    small = [point for point in kept if point.device != "a100-40"]
    return [
        *_every_fourth(big, {"llama2-70b"} if phase == "prompt" else set()),
        *_every_fourth(small, {"llama-33b"}),
    ]


def argonne(folder: Path) -> list[Point]:
    """Return seconds of a batch of prompts as long as their answers (`length`), vLLM on one card.

    Fitted on: LLaMA2-7B with 512 + 512 tokens, batches of 1, 16 and 32.
    """
    points = [_argonne_point(row, float(row["Latency"])) for row in _argonne_rows(folder, "argonne_a100_h100_results")]
    return [
        point._replace(fits=(point.model, point.length) == ("llama2-7b", 512) and point.size <= 32) for point in points
    ]


def argonne_joules(folder: Path) -> list[Point]:
    """Return joules per token written, of the card alone. Fitted on: the watts of batches of 1 and 64."""
    return [
        _argonne_point(row, float(row["avg_power"]) / 1000 * float(row["Latency"]) / _tokens(row))._replace(
            fits=row["Batch Size"] in ("1", "64")
        )
        for row in _argonne_rows(folder, "argonne_power_results")
    ]


# Splitwise (ISCA 2024), LLaMA2-70B on two A100-80: seconds of a prompt by tokens, and of a step by sequences.
SPLITWISE_PROMPT = ((512, 0.196), (2048, 0.687))
SPLITWISE_DECODE = ((1, 0.0537), (16, 0.0656))

# ML.ENERGY leaderboard (figures cited): joules per token written, by version, device, count, model and batch.
# CodeLlama-7B stands as llama2-7b, whose shape it has.
ML_ENERGY = (
    (2, "a100-40", 1, "llama2-7b", 32, 0.288),
    (2, "a100-40", 1, "llama2-7b", 128, 0.194),
    (2, "a100-40", 1, "llama3-8b", 32, 0.211),
    (2, "a100-40", 1, "llama3-8b", 128, 0.124),
    (2, "a100-40", 4, "codellama-34b", 32, 1.53),
    (2, "a100-40", 4, "codellama-34b", 64, 1.10),
    (2, "a100-40", 4, "codellama-34b", 128, 0.84),
    (2, "a100-40", 8, "llama3-70b", 32, 2.68),
    (3, "h100", 1, "llama3-8b", 8, 0.455),
    (3, "h100", 1, "llama3-8b", 32, 0.165),
    (3, "h100", 1, "llama3-8b", 128, 0.095),
)

# Tokens/s of one answer, which fitted the presets of these devices. llama.cpp's come from XiongjieDai's GPU benchmarks
# (LLaMA3-8B, 1,024 tokens, May 2024; LLaMA2-7B and 30B, December 2023), Jetsons' from the NVIDIA Jetson AI Lab, the
# Pi's from geerlingguy's ai-benchmarks 7, the A100's with vLLM from premAI's benchmarks.
DECODE_ALONE = (
    ("a100-80", "llama2-7b", "fp16", 90.5, False),
    ("a100-80", "llama2-7b", "q4_0", 136.24, True),
    ("a100-80", "llama3-8b", "q4_k_m", 133.4, True),
    ("a100-80", "llama2-70b", "q4_0", 25.68, False),
    ("rtx-4090", "llama3-8b", "fp16", 54.34, True),
    ("rtx-4090", "llama3-8b", "q4_k_m", 127.74, True),
    ("rtx-4090", "llama2-7b", "fp16", 60.78, False),
    ("rtx-4090", "llama2-7b", "q4_0", 149.37, False),
    ("rtx-4090", "llama-33b", "q4_0", 40.09, False),
    ("rtx-3090", "llama3-8b", "fp16", 46.51, True),
    ("rtx-3090", "llama3-8b", "q4_k_m", 111.74, True),
    ("rtx-3090", "llama2-7b", "fp16", 51.85, False),
    ("rtx-3090", "llama2-7b", "q4_0", 120.6, False),
    ("rtx-3090", "llama-33b", "q4_0", 33.68, False),
    ("apple-m1-max", "llama3-8b", "fp16", 18.43, True),
    ("apple-m1-max", "llama3-8b", "q4_k_m", 34.49, True),
    ("apple-m1-max", "llama3-70b", "q4_k_m", 4.09, False),
    ("apple-m3-max", "llama3-8b", "fp16", 22.39, True),
    ("apple-m3-max", "llama3-8b", "q4_k_m", 50.74, True),
    ("apple-m3-max", "llama2-7b", "fp16", 24.76, False),
    ("apple-m3-max", "llama2-7b", "q4_0", 63.11, False),
    ("apple-m3-max", "llama3-70b", "q4_k_m", 7.53, False),
    ("apple-m2-ultra", "llama3-8b", "fp16", 36.25, True),
    ("apple-m2-ultra", "llama3-8b", "q4_k_m", 76.28, True),
    ("apple-m2-ultra", "llama2-7b", "fp16", 40.68, False),
    ("apple-m2-ultra", "llama2-7b", "q4_0", 91.89, False),
    ("apple-m2-ultra", "llama3-70b", "q4_k_m", 12.13, False),
    ("apple-m2-ultra", "llama3-70b", "fp16", 4.71, False),
    ("jetson-agx-orin", "llama3-8b", "w4a16", 28.1, True),
    ("jetson-agx-orin", "llama2-7b", "q4_0", 46.9, True),
    ("jetson-orin-nano", "llama3-8b", "q4_0", 14.0, True),
    ("jetson-orin-nano", "qwen2.5-7b", "q4_0", 14.2, True),
    ("jetson-orin-nano", "llama3.2-3b", "q4_0", 27.7, True),
    ("jetson-orin-nano-super", "llama3-8b", "q4_0", 19.1, True),
    ("jetson-orin-nano-super", "qwen2.5-7b", "q4_0", 21.75, True),
    ("jetson-orin-nano-super", "llama3.2-3b", "q4_0", 43.1, True),
    ("raspberry-pi-5", "llama3.2-3b", "q4_k_m", 4.88, True),
    ("raspberry-pi-5", "llama3-8b", "q4_k_m", 2.17, True),
)

# Tokens/s of a prompt of 1,024 tokens, same sources.
PREFILL = (
    ("rtx-4090", "llama3-8b", "fp16", 9056.26, True),
    ("rtx-4090", "llama3-8b", "q4_k_m", 6898.71, True),
    ("rtx-4090", "llama-33b", "q4_0", 1414.5, False),
    ("rtx-3090", "llama3-8b", "fp16", 4239.64, True),
    ("rtx-3090", "llama3-8b", "q4_k_m", 3865.39, True),
    ("rtx-3090", "llama-33b", "q4_0", 773.49, False),
    ("apple-m1-max", "llama3-8b", "fp16", 418.77, True),
    ("apple-m1-max", "llama3-8b", "q4_k_m", 355.45, True),
    ("apple-m1-max", "llama3-70b", "q4_k_m", 33.01, False),
    ("apple-m3-max", "llama3-8b", "fp16", 751.49, True),
    ("apple-m3-max", "llama3-8b", "q4_k_m", 678.04, True),
    ("apple-m3-max", "llama3-70b", "q4_k_m", 62.88, False),
    ("apple-m2-ultra", "llama3-8b", "fp16", 1202.74, True),
    ("apple-m2-ultra", "llama3-8b", "q4_k_m", 1023.89, True),
    ("apple-m2-ultra", "llama3-70b", "fp16", 145.82, False),
    ("apple-m2-ultra", "llama3-70b", "q4_k_m", 117.76, False),
)


def _every_fourth(points: list[Point], models: set[str]) -> list[Point]:
    """Mark the first and then every fourth point of each curve of these models."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    marked = []
    for point in points:
        number = seen[point.device, point.model]
        seen[point.device, point.model] += 1
        marked.append(point._replace(fits=point.model in models and number % _EVERY == 0))
    return marked


def _argonne_rows(folder: Path, name: str) -> Iterator[dict[str, str]]:
    for row in _rows(folder / f"{name}.csv.gz"):
        model = row["Model"].partition("/")[2]
        here = row["Hardware"] in ("Nvidia A100 GPU", "Nvidia H100 GPU") and row["Num of Hardware"] == "1"
        if here and row["Framework"] == "vLLM" and model in MODELS:
            yield row


def _argonne_point(row: dict[str, str], measured: float) -> Point:
    device = {"Nvidia A100 GPU": "a100-40", "Nvidia H100 GPU": "h100"}[row["Hardware"]]
    model, length = MODELS[row["Model"].partition("/")[2]], int(row["Input Output Length"])
    return Point(device, model, int(row["Batch Size"]), measured, length=length)


def _tokens(row: dict[str, str]) -> int:
    return int(row["Batch Size"]) * int(row["Input Output Length"])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)
