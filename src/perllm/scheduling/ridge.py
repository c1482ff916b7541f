"""Ridge regression that forgets, one observation at a time: the linear model of a contextual bandit's arm."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

Vector = Sequence[float]

# Old observations and the ridge fade alike. This often the ridge is filled up again, or a direction that is never
# observed would lose its prior; and the inverse is worked out afresh, or rounding would grow in it.
RENEW_EVERY = 500


class Ridge:
    """A = ridge * I + sum of x x', b = sum of y x, and the inverse of A, kept by Sherman-Morrison.

    With `keep` below 1, A and b fade by it at every observation. Plain lists, not an array library: its products differ
    in the last bit from one processor to the next, and decisions must not.
    """

    __slots__ = ("_keep", "_ridge", "gram", "inverse", "moment", "observations")

    def __init__(self, size: int, *, ridge: float, keep: float = 1.0) -> None:
        self._ridge = ridge
        self._keep = keep
        self.gram = _diagonal(size, ridge)
        self.inverse = _diagonal(size, 1.0 / ridge)
        self.moment = [0.0] * size
        self.observations = 0

    def coefficients(self) -> list[float]:
        """Return theta, the solution of A theta = b."""
        return _times(self.inverse, self.moment)

    def predict(self, x: Vector) -> float:
        """Return theta' x."""
        return _dot(self.moment, _times(self.inverse, x))

    def variance(self, x: Vector) -> float:
        """Return x' A^-1 x: how little is known in this direction."""
        return _dot(x, _times(self.inverse, x))

    def observe(self, x: Vector, y: float) -> None:
        """Take in one observation."""
        keep = self._keep
        self.observations += 1
        self.moment = [keep * moment + y * value for moment, value in zip(self.moment, x, strict=True)]
        self.gram = [
            [keep * entry + left * right for entry, right in zip(row, x, strict=True)]
            for row, left in zip(self.gram, x, strict=True)
        ]
        if self.observations % RENEW_EVERY:
            self._update_inverse(x)
        else:
            self._renew()

    def correct(self, x: Vector, error: float, observation: int) -> None:
        """Add `error` to the `y` of an observation made earlier, faded as that has."""
        weight = error * self._keep ** (self.observations - observation)
        self.moment = [moment + weight * value for moment, value in zip(self.moment, x, strict=True)]

    def _update_inverse(self, x: Vector) -> None:
        direction = _times(self.inverse, x)
        scale = 1.0 / (self._keep + _dot(x, direction))
        self.inverse = [
            [(entry - scale * left * right) / self._keep for entry, right in zip(row, direction, strict=True)]
            for row, left in zip(self.inverse, direction, strict=True)
        ]

    def _renew(self) -> None:
        faded = self._ridge * (1.0 - self._keep**RENEW_EVERY)
        for index, row in enumerate(self.gram):
            row[index] += faded
        self.inverse = _inverse(self.gram)


def _diagonal(size: int, value: float) -> list[list[float]]:
    return [[value if row == column else 0.0 for column in range(size)] for row in range(size)]


def _dot(left: Vector, right: Vector) -> float:
    # Exactly rounded, for `sum` adds floats differently from one Python to the next.
    return fsum([a * b for a, b in zip(left, right, strict=True)])


def _times(matrix: Sequence[Vector], x: Vector) -> list[float]:
    return [_dot(row, x) for row in matrix]


def _inverse(matrix: Sequence[Vector]) -> list[list[float]]:
    """Invert a symmetric positive definite matrix by Gauss-Jordan elimination, which needs no pivoting there."""
    size = len(matrix)
    rows = [[*row, *unit] for row, unit in zip(matrix, _diagonal(size, 1.0), strict=True)]
    for pivot in range(size):
        lead = rows[pivot][pivot]
        rows[pivot] = [entry / lead for entry in rows[pivot]]
        for other in range(size):
            if other != pivot:
                factor = rows[other][pivot]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[pivot], strict=True)]
    return [row[size:] for row in rows]
