"""The runs of real engines as tables: what was, what was played, how far apart, and how far apart the repeats were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

WAYS: Final = ("beforehand", "as_recorded", "freely")
Run = Mapping[str, Any]


def show(result: Mapping[str, Any]) -> dict[str, Any]:
    """Print everything; return it as evidence, without single requests."""
    summaries = {name: summary(runs) for name, runs in result["runs"].items()}
    print(f"\ncapacity, requests/s: {result['capacity_per_s']}; quotas: {result['limited']}")
    print(f"load average of the machine: {result['load_average']}; throttled: {result['throttled_fraction']}")
    for name, told in result["disturbance"].items():
        print(f"{name}: a lone call takes {told['alone_s']:.3f} s, {told['slower']:+.1%} while the others are busy")
    for name, told in result["calibration"].items():
        off = [f"{one['residuals']['step']['median']:.0%}/{one['residuals']['step']['most']:.0%}" for one in told]
        print(f"{name}: decode steps off the fit, median/most, by calibration: {', '.join(off)}")
    for name, one in summaries.items():
        _print(name, one)
    kept = {key: value for key, value in result.items() if key not in ("runs", "calibration")}
    calibration = {
        name: [{key: value for key, value in one.items() if key != "points"} for one in told]
        for name, told in result["calibration"].items()
    }
    return {**kept, "calibration": calibration, "summaries": summaries}


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Sum up the repeats of one load: medians over them, and how far they lie apart."""
    recorded = [run["as_recorded"] for run in runs]
    return {
        "requests": recorded[0]["requests"],
        "repeats": len(runs),
        "total_s": _quantity(runs, "total_s", ("p50", "p95")),
        "first_token_s": _quantity(runs, "first_token_s", ("p50", "p95")),
        "attainment": {
            "real": _over([one["real_attainment"] for one in recorded]),
            **{way: _over([run[way]["played_attainment"] for run in runs]) for way in WAYS},
        },
        "joules": {way: _over([run[way]["played_j"] / run[way]["real_j"] - 1.0 for run in runs]) for way in WAYS},
        "same_server": _over([run["freely"]["same_server"] for run in runs]),
        "one_by_one": {
            "median_off": _over([one["total_s"]["median_off"] for one in recorded]),
            "p95_off": _over([one["total_s"]["p95_off"] for one in recorded]),
            "repeats_off": repeats_off(runs),
        },
        "outside_gateway_s": _over(
            [run["client_p50_s"] - run["as_recorded"]["total_s"]["real"]["p50"] for run in runs]
        ),
    }


def repeats_off(runs: Sequence[Run]) -> float:
    """Say how far a single request lies from its own median over the repeats: what no simulator can know."""
    offs = []
    for took_s in zip(*(run["requests_s"] for run in runs), strict=True):
        if None not in took_s:
            offs += [abs(one / median(took_s) - 1.0) for one in took_s]
    return float(median(offs))


def _quantity(runs: Sequence[Run], name: str, percentiles: Sequence[str]) -> dict[str, Any]:
    return {percentile: _percentile(runs, name, percentile) for percentile in percentiles}


def _percentile(runs: Sequence[Run], name: str, percentile: str) -> dict[str, Any]:
    real = [run["as_recorded"][name]["real"][percentile] for run in runs]
    told: dict[str, Any] = {"real_s": median(real), "spread": (max(real) - min(real)) / 2 / median(real)}
    for way in WAYS:
        errors = [run[way][name]["percentile_errors"][percentile] for run in runs]
        told[way] = {
            "played_s": median(run[way][name]["played"][percentile] for run in runs),
            "error": median(errors),
            "errors": errors,
        }
    return told


def _over(values: Sequence[float]) -> dict[str, Any]:
    return {"median": median(values), "each": values}


def _print(name: str, one: Mapping[str, Any]) -> None:
    print(f"\n{name}: {one['requests']} requests, {one['repeats']} times")
    print(f"{'':18s}{'real':>9s}{'spread':>9s}" + "".join(f"{way:>14s}{'error':>9s}" for way in WAYS))
    for quantity in ("total_s", "first_token_s"):
        for percentile, told in one[quantity].items():
            row = "".join(f"{told[way]['played_s']:14.3f}{told[way]['error']:+9.1%}" for way in WAYS)
            print(f"{quantity + ' ' + percentile:18s}{told['real_s']:9.3f}{told['spread']:9.1%}{row}")
    real, *played = (one["attainment"][side]["median"] for side in ("real", *WAYS))
    print(f"{'attainment':18s}{real:9.1%}{'':9s}" + "".join(f"{share:14.1%}{share - real:+9.1%}" for share in played))
    print("joules off: " + ", ".join(f"{way} {one['joules'][way]['median']:+.1%}" for way in WAYS))
    singles = one["one_by_one"]
    print(f"single requests off by {singles['median_off']['median']:.1%} (median),", end=" ")
    print(f"{singles['p95_off']['median']:.1%} (p95); their repeats by {singles['repeats_off']:.1%};", end=" ")
    print(f"same server when free {one['same_server']['median']:.1%}")
