"""Columns and rows of a linear program, put together block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Program:
    """Minimise cost @ v subject to A v <= limits and 0 <= v."""

    def __init__(self) -> None:
        self.columns = 0
        self.costs: list[Floats] = []
        self.limits: list[Floats] = []
        self._rows: list[Places] = []
        self._places: list[Places] = []
        self._values: list[Floats] = []
        self.rows = 0

    def add(self, count: int, cost: float | Floats = 0.0) -> Places:
        """Add that many columns and return their places."""
        self.columns += count
        self.costs.append(np.broadcast_to(np.asarray(cost, dtype=float), (count,)))
        return np.arange(self.columns - count, self.columns)

    def at_most(self, count: int, limit: float | Floats, *terms: tuple[Any, Places, float | Floats]) -> None:
        """Add that many rows: for each, the sum of its terms is at most its limit.

        A term is (rows within this block, columns, factors).
        """
        for rows, places, values in terms:
            rows = np.asarray(rows, dtype=np.intp)
            self._rows.append(rows + self.rows)
            self._places.append(np.broadcast_to(places, rows.shape))
            self._values.append(np.broadcast_to(np.asarray(values, dtype=float), rows.shape))
        self.limits.append(np.broadcast_to(np.asarray(limit, dtype=float), (count,)))
        self.rows += count

    def triplets(self) -> tuple[Floats, Places, Places]:
        """Return values, rows and columns of A."""
        return np.concatenate(self._values), np.concatenate(self._rows), np.concatenate(self._places)
