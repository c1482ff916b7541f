"""Fit the constants of the A100 and the H100 on the points that are marked so; what comes out stands in the presets.

`python benchmarks/published_fit.py --traces DIR` prints them. Each set of points counts the same, and in it each
doubling of the tokens does. The grids end where single operators were measured: products of matrices reach at most 0.78
of the arithmetic (Vidur, 4,096 tokens). `sequence_overhead_us` stays at what BLIS fitted.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import combinations, product
from math import log2
from pathlib import Path
from statistics import mean

import msgspec
from published_model import Offline, dense_layer_s, machine, prompt_layer_s
from published_points import Point, argonne, helix, vidur

from perllm.config.figures import Figure, Origin
from perllm.config.hardware import Machine

_CARDS = (("a100-80", "a100-40"), ("h100", "h100"))
_HELIX_PROMPT = 763
_GRID: dict[str, list[float]] = {
    "weights_efficiency": [share / 100 for share in range(66, 93)],
    "prefill_efficiency": [share / 100 for share in range(62, 79)],
    "layer_overhead_us": list(range(15, 48, 3)),
    "serial_fraction": [share / 20 for share in range(11)],
    "step_overhead_ms": [tenths / 10 for tenths in range(2, 31, 2)],
    "kv_efficiency": [share / 20 for share in range(8, 21)],
}
_OF_THE_FORMAT = ("weights_efficiency", "prefill_efficiency")


def with_constants(card: Machine, constants: Mapping[str, float]) -> Machine:
    """Return the machine with these constants instead of its preset's."""
    figures = {name: _figure(value) for name, value in constants.items()}
    own = {name: figure for name, figure in figures.items() if name not in _OF_THE_FORMAT}
    its_format = {name: figure for name, figure in figures.items() if name in _OF_THE_FORMAT}
    return replace(
        card,
        device=msgspec.structs.replace(card.device, **own),
        format=msgspec.structs.replace(card.format, **its_format),
    )


def mean_error(traces: Path, cards: Iterable[str], constants: Mapping[str, float]) -> float:
    """Return the sum over the sets of their mean errors."""
    points = [(name, point) for name, point in _points(traces) if point.device in cards]
    pairs = {(point.device, point.model) for _, point in points}
    machines = {pair: with_constants(machine(*pair), constants) for pair in pairs}
    sets: dict[str, dict[tuple[str, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, point in points:
        octave = int(log2(point.size)) if name == "vidur" else 0
        expected = _expected(name, machines[point.device, point.model], point)
        sets[name][point.model, octave].append(abs(expected / point.measured - 1))
    return sum(mean(mean(octave) for octave in octaves.values()) for octaves in sets.values())


def fit(traces: Path, cards: tuple[str, ...]) -> dict[str, float]:
    """Move two constants at a time by up to three steps of their grids, until no such move helps."""
    at = {name: len(values) // 2 for name, values in _GRID.items()}
    least = mean_error(traces, cards, _constants(at))
    while True:
        moves = [move for move in _moves(at) if all(0 <= move[name] < len(_GRID[name]) for name in _GRID)]
        errors = [mean_error(traces, cards, _constants(move)) for move in moves]
        if min(errors) >= least - 1e-6:
            return _constants(at)
        least = min(errors)
        at = moves[errors.index(least)]


def _moves(at: Mapping[str, int]) -> Iterable[dict[str, int]]:
    steps = range(-3, 4)
    for one, other in combinations(_GRID, 2):
        for first, second in product(steps, steps):
            yield {**at, one: at[one] + first, other: at[other] + second}


def _constants(at: Mapping[str, int]) -> dict[str, float]:
    return {name: _GRID[name][place] for name, place in at.items()}


_READ: dict[Path, list[tuple[str, Point]]] = {}


def _points(traces: Path) -> list[tuple[str, Point]]:
    if traces not in _READ:
        sets = {"vidur": vidur(traces), "helix": helix(traces, "prompt"), "argonne": argonne(traces)}
        _READ[traces] = [(name, point) for name, points in sets.items() for point in points if point.fits]
    return _READ[traces]


def _expected(name: str, card: Machine, point: Point) -> float:
    if name == "vidur":
        return dense_layer_s(card, point.size)
    if name == "helix":
        return prompt_layer_s(card, point.size, _HELIX_PROMPT)
    return Offline(card, point.length, point.length, point.size).seconds


def _figure(value: float) -> Figure:
    return Figure(value=value, range=(value, value), kind=Origin.DERIVED, source="this fit")


def main() -> None:
    """Print the constants."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--traces", type=Path, required=True, help="the folder with the measurements of others")
    traces = arguments.parse_args().traces
    for cards in _CARDS:
        print(cards[0], fit(traces, cards))


if __name__ == "__main__":
    main()
