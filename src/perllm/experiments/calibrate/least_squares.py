"""Robust least squares on relative errors, and the choice of the simplest formula that explains the measurements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDS: Final = 8
_SCALINGS: Final = 3
"""After so many, what is expected changes no more than in its third digit."""
_HUBER: Final = 1.5
"""Residuals beyond so many deviations count less (Huber; 1.345 keeps 95 % of the efficiency on clean data)."""
_MAD_TO_SIGMA: Final = 1.4826
_SMALLEST_SIGMA: Final = 1e-4
_WORTH_FACTOR: Final = 1.2
_WORTH_FRACTION: Final = 0.001
"""Another constant must explain a sixth of the mean error and more than 0.1 % of the time: our choice, what medians
scatter by on a quiet machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Constants by name, how far each measurement is from them (signed, as a fraction), and their mean distance.

    `shares` say how much each measurement counts, on average 1; None: all alike.
    """

    constants: Mapping[str, float]
    residuals: Floats
    shares: Floats | None = None
    implausibility: float = 0.0

    @property
    def error(self) -> float:
        """Mean distance of a measurement from the formula, as it would be of further ones: constants fit noise too."""
        count, constants = len(self.residuals), len(self.constants)
        spare = (count - constants) / count if count > constants else 0.5 / count
        return float(np.average(np.abs(self.residuals), weights=self.shares)) / sqrt(spare)


def fit(
    columns: Mapping[str, Floats],
    measured: Floats,
    given: Floats | float = 0.0,
    shares: Floats | None = None,
    least_sigma: float = _SMALLEST_SIGMA,
) -> Fit | None:
    """Fit measured = given + Σ constant × column.

    Errors are fractions of what is expected, not of what was measured: those would pull constants towards the
    measurements that came out too small. What lies within `least_sigma` or so is noise and never damped as an outlier.
    None where the data do not tell the constants apart, or one is not above 0.
    """
    found, expected = None, measured
    for _ in range(_SCALINGS):
        found = _relative(columns, measured - given, expected, shares, least_sigma)
        if found is None:
            return None
        told = given + sum(found.constants[name] * column for name, column in columns.items())
        expected = np.where(told > 0.0, told, measured)
    return found


def _relative(
    columns: Mapping[str, Floats], target: Floats, expected: Floats, shares: Floats | None, least_sigma: float
) -> Fit | None:
    """Fit errors as fractions of `expected`."""
    design, target = np.column_stack(list(columns.values())) / expected[:, None], target / expected
    scale = np.linalg.norm(design, axis=0)
    if not np.all(scale > 0.0):
        return None
    solution = _reweighted(design / scale, target, np.ones(len(target)) if shares is None else shares, least_sigma)
    if solution is None or not np.all(solution > 0.0):
        return None
    constants = dict(zip(columns, map(float, solution / scale), strict=True))
    return Fit(constants=constants, residuals=(design / scale) @ solution - target, shares=shares)


def simplest(candidates: Iterable[Fit]) -> Fit | None:
    """Choose the fewest constants that explain nearly as much as the best; of equals, the most plausible."""
    fits = list(candidates)
    if not fits:
        return None
    limit = min(one.error for one in fits) * _WORTH_FACTOR + _WORTH_FRACTION
    good = [one for one in fits if one.error <= limit]
    return min(good, key=lambda one: (len(one.constants), round(one.error, 3), one.implausibility))


def _reweighted(design: Floats, target: Floats, shares: Floats, least_sigma: float) -> Floats | None:
    """Solve design @ x = target, with outliers damped by Huber's weights."""
    weights = np.ones(len(design))
    solution: Floats | None = None
    for _ in range(_ROUNDS):
        root = np.sqrt(weights * shares)
        found, _, rank, _ = np.linalg.lstsq(design * root[:, None], target * root, rcond=1e-6)
        if rank < design.shape[1]:
            return None
        solution = np.asarray(found, dtype=np.float64)
        distance = np.abs(design @ found - target)
        sigma = max(_MAD_TO_SIGMA * float(np.median(distance)), least_sigma)
        weights = np.minimum(1.0, _HUBER * sigma / np.maximum(distance, 1e-12))
    return solution
