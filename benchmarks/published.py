"""The formulas and presets against published measurements: how far off, on points that fitted nothing.

`python benchmarks/published.py --traces DIR [--out FOLDER]`; docs/validation.md says what the files in DIR are.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from evidence import write_evidence
from published_model import Offline, decode_layer_s, dense_layer_s, machine, power, prompt_layer_s, speed
from published_points import (
    DECODE_ALONE,
    ML_ENERGY,
    PREFILL,
    SPLITWISE_DECODE,
    SPLITWISE_PROMPT,
    Point,
    argonne,
    argonne_joules,
    helix,
    vidur,
)

from perllm.costs.energy import decode_w
from perllm.costs.time import decode_step_s, prefill_s

# Helix draws from Azure's conversations of 2023 with at most 2,048 tokens of prompt and 1,024 of answer: on average 763
# and 232. Sequences that write have the prompt and on average half of the answer in the cache.
_HELIX_PROMPT = 763
_HELIX_CONTEXT = 763 + 232 / 2
# Splitwise says no context for its steps; its conversations have 1,020 tokens of prompt in the median.
_SPLITWISE_CONTEXT = 1020
# ML.ENERGY's requests, of the order of ShareGPT's: the tokens each has in the cache, and those it reads for each it
# writes.
_ML_ENERGY_CONTEXT = 300
_ML_ENERGY_READ_PER_WRITTEN = 0.5


class Error(NamedTuple):
    """One measurement and how far the expectation lies from it, as a share."""

    set: str
    target: float
    point: str
    measured: float
    expected: float
    fits: bool

    @property
    def off(self) -> float:
        """Positive: expected more than was measured."""
        return self.expected / self.measured - 1.0


def errors(traces: Path) -> list[Error]:
    """Compare everything."""
    return [*_layers(traces), *_batches(traces), *_splitwise(), *_ml_energy(), *_alone()]


def _layers(traces: Path) -> Iterable[Error]:
    for point in vidur(traces):
        expected_s = dense_layer_s(machine(point.device, point.model), point.size)
        yield _error(f"Vidur, dense layer, {point.device}", 0.15, point, expected_s)
    for point in helix(traces, "decode"):
        expected_s = decode_layer_s(machine(point.device, point.model), point.size, _HELIX_CONTEXT)
        yield _error(f"Helix, decode, {point.model}, {_card(point)}", 0.15, point, expected_s)
    for point in helix(traces, "prompt"):
        expected_s = prompt_layer_s(machine(point.device, point.model), point.size, _HELIX_PROMPT)
        yield _error(f"Helix, prefill, {point.model}, {_card(point)}", 0.15, point, expected_s)


def _batches(traces: Path) -> Iterable[Error]:
    for point in argonne(traces):
        expected = Offline(machine(point.device, point.model), point.length, point.length, point.size)
        part = "batches 1-32" if point.size <= 32 else "batch 64"
        yield _error(f"Argonne, latency, {point.model}, {point.device}, {part}", 0.20, point, expected.seconds)
    for point in argonne_joules(traces):
        expected = Offline(machine(point.device, point.model), point.length, point.length, point.size)
        joules = expected.joules / (point.size * point.length)
        yield _error(f"Argonne, J/token, {point.device}", 0.30, point, joules)


def _splitwise() -> Iterable[Error]:
    profile = speed(machine("a100-80", "llama2-70b", count=2))
    for tokens, measured_s in SPLITWISE_PROMPT:
        yield Error("Splitwise", 0.20, f"prompt of {tokens}", measured_s, prefill_s(profile, tokens), False)
    for sequences, measured_s in SPLITWISE_DECODE:
        expected_s = decode_step_s(profile, sequences, sequences * _SPLITWISE_CONTEXT)
        yield Error("Splitwise", 0.20, f"step of {sequences}", measured_s, expected_s, False)


def _ml_energy() -> Iterable[Error]:
    for version, device, count, model, batch, measured_j in ML_ENERGY:
        card = machine(device, model, count=count)
        watts = decode_w(power(card), batch, 64) + power(card).idle_w
        writing_j = watts * decode_step_s(speed(card), batch, batch * _ML_ENERGY_CONTEXT) / batch
        reading_j = _ML_ENERGY_READ_PER_WRITTEN * speed(card).prefill_token_s * power(card).prefill_w
        point = f"{count} x {device}, {model}, batch {batch}"
        yield Error(f"ML.ENERGY version {version}, J/token", 0.30, point, measured_j, writing_j + reading_j, False)


def _alone() -> Iterable[Error]:
    for device, model, weights, measured, fits in DECODE_ALONE:
        # llama-bench writes after an empty prompt: on average it has half of 1,024 tokens in the cache.
        expected = 1 / decode_step_s(speed(machine(device, model, weights)), 1, 512)
        yield Error("One answer, tokens/s", 0.20, f"{device}, {model}, {weights}", measured, expected, fits)
    for device, model, weights, measured, fits in PREFILL:
        expected = 1024 / prefill_s(speed(machine(device, model, weights)), 1024)
        yield Error("One prompt, tokens/s", 0.20, f"{device}, {model}, {weights}", measured, expected, fits)


def _card(point: Point) -> str:
    return point.device if point.device == "a100-40" else "L4, T4, V100"


def _error(name: str, target: float, point: Point, expected: float) -> Error:
    told = f"{point.device}, {point.model}, " + (f"{point.length}+{point.length}, " if point.length else "")
    return Error(name, target, f"{told}{point.size}", point.measured, expected, point.fits)


def summary(found: Iterable[Error]) -> list[dict[str, Any]]:
    """Sum up by set, those points apart that fitted constants."""
    groups: dict[tuple[str, bool], list[Error]] = defaultdict(list)
    for error in found:
        groups[error.set, error.fits].append(error)
    return [_summed(name, fits, members) for (name, fits), members in groups.items()]


def _summed(name: str, fits: bool, members: list[Error]) -> dict[str, Any]:
    ordered = sorted(abs(error.off) for error in members)
    worst = sorted(members, key=lambda error: -abs(error.off))[:3]
    return {
        "set": name,
        "points": "fitted" if fits else "held out",
        "count": len(members),
        "target": members[0].target,
        "median": round(median(ordered), 4),
        "p90": round(ordered[min(int(0.9 * len(ordered)), len(ordered) - 1)], 4),
        "max": round(ordered[-1], 4),
        "bias": round(median(error.off for error in members), 4),
        "within_target": round(sum(off <= members[0].target for off in ordered) / len(ordered), 4),
        "worst": [{"point": error.point, "off": round(error.off, 4)} for error in worst],
    }


def main() -> None:
    """Print the table, and write it where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--traces", type=Path, required=True, help="the folder with the measurements of others")
    arguments.add_argument("--out", type=Path, help="write published.json here")
    given = arguments.parse_args()
    rows = summary(errors(given.traces))
    for row in rows:
        print(_line(row))
    if given.out:
        write_evidence(given.out, "published", {"sets": rows})


def _line(row: dict[str, Any]) -> str:
    shares = " | ".join(f"{100 * row[key]:.1f} %" for key in ("median", "p90", "max", "bias"))
    met = f"{100 * row['within_target']:.0f} % within {100 * row['target']:.0f} %"
    worst = "; ".join(f"{each['point']} {100 * each['off']:+.0f} %" for each in row["worst"][:1])
    return f"| {row['set']} | {row['points']} | {row['count']} | {shares} | {met} | {worst} |"


if __name__ == "__main__":
    main()
