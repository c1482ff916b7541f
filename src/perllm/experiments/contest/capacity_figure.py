"""Capacities as a figure: of each seed, and of all together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from perllm.experiments.contest.capacity import Capacity
from perllm.experiments.style import BLUE, ORANGE, SKY, figure, legend

_LINE_INCHES = 0.34


def draw_capacity(found: Sequence[Capacity], subject: str, path: Path) -> None:
    """Draw a line for each contender: dots for seeds, a bar for their mean, a mark for all together."""
    with figure(path, "Capacity", subject, rows=1, height=1.9 + _LINE_INCHES * len(found)) as (panel,):
        for line, capacity in enumerate(found):
            first = line == 0
            rates = [rate for rate in capacity.by_seed.values() if rate is not None]
            panel.plot(rates, [line] * len(rates), "o", color=SKY, markersize=4, label="a seed" if first else None)
            _mean(panel, capacity, line, "their mean, 95 %" if first else None)
            if capacity.together.holds_per_s is not None:
                label = "all seeds together" if first else None
                panel.plot([capacity.together.holds_per_s], [line], "D", color=ORANGE, markersize=6, label=label)
        panel.set_yticks(range(len(found)), [capacity.policy for capacity in found])
        panel.invert_yaxis()
        panel.set_xlim(left=0.0)
        panel.set_xlabel("requests/s")
        legend(panel)


def _mean(panel: Axes, capacity: Capacity, line: int, label: str | None) -> None:
    mean = capacity.per_seed
    if mean is not None:
        half = 0.0 if mean.high is None else mean.high - mean.mean
        panel.errorbar([mean.mean], [line], xerr=[half], fmt="|", color=BLUE, capsize=3, markersize=12, label=label)
