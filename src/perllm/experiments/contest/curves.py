"""Attainment over time, of several runs together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perllm.experiments.contest.play import so_far
from perllm.experiments.contest.row import Point


def windows(curves: Sequence[Sequence[Point]]) -> tuple[list[float], list[float | None]]:
    """Return where windows end and the share in time in each, over all curves that reach so far.

    Windows are those of the coarsest curve, for a long run has longer ones. Whatever ended within a window of another
    curve counts as spread evenly over it.
    """
    coarsest = max(curves, key=lambda curve: (curve[0].to_s, len(curve)))
    at_s = [point.to_s for point in coarsest]
    in_time, counted = np.sum([_within(curve, at_s) for curve in curves], axis=0)
    shares = [met / of if of > 0.0 else None for met, of in zip(in_time.tolist(), counted.tolist(), strict=True)]
    return at_s, shares


def _within(curve: Sequence[Point], at_s: Sequence[float]) -> np.ndarray:
    points = so_far(curve)
    ends_s = [0.0, *(point.to_s for point in points)]
    totals = ([0.0, *(float(point.in_time) for point in points)], [0.0, *(float(point.counted) for point in points)])
    return np.stack([np.diff(np.interp([0.0, *at_s], ends_s, total)) for total in totals])
