"""Attainment over time, of several runs together."""

from __future__ import annotations

from collections.abc import Sequence

from perllm.experiments.contest.row import Point


def windows(curves: Sequence[Sequence[Point]]) -> tuple[list[float], list[float | None]]:
    """Return where windows end and the share in time in each, over all curves that reach so far.

    Curves of one world have windows of one length; the last of each may be shorter.
    """
    longest = max(curves, key=len)
    at_s, shares = [], list[float | None]()
    for place, point in enumerate(longest):
        here = [curve[place] for curve in curves if place < len(curve)]
        counted = sum(each.counted for each in here)
        at_s.append(point.to_s)
        shares.append(sum(each.in_time for each in here) / counted if counted else None)
    return at_s, shares
