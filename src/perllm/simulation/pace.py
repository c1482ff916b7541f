"""How much longer a machine takes than it should, over time."""

from __future__ import annotations

from collections.abc import Iterable

from perllm.simulation.trouble import Drift, Slowdown

_S_PER_HOUR = 3600.0


class Pace:
    """The factor on every step of one machine. Call it with an instant; `changes_at_s` are those at which it jumps."""

    __slots__ = ("_drifts", "_slowdowns", "changes_at_s")

    def __init__(self, slowdowns: Iterable[Slowdown] = (), drifts: Iterable[Drift] = ()) -> None:
        self._slowdowns = tuple(slowdowns)
        self._drifts = tuple(drifts)
        self.changes_at_s = sorted({at_s for slow in self._slowdowns for at_s in (slow.from_s, slow.to_s)})

    def __call__(self, at_s: float) -> float:
        """Return the factor at an instant."""
        factor = 1.0
        for slow in self._slowdowns:
            if slow.from_s <= at_s < slow.to_s:
                factor *= slow.factor
        for drift in self._drifts:
            grown = drift.factor_per_hour ** (at_s / _S_PER_HOUR)
            factor *= min(grown, drift.limit) if drift.factor_per_hour >= 1.0 else max(grown, drift.limit)
        return factor
