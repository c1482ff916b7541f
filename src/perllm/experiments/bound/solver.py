"""Solve a linear program with HiGHS, which comes with scipy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from perllm.errors import ConfigError, InvariantError
from perllm.experiments.bound.program import Program

try:
    from scipy.optimize import linprog
    from scipy.sparse import csr_array
except ModuleNotFoundError:
    linprog = csr_array = None

_INFEASIBLE: Final = 2
# HiGHS lets rows and reduced costs err by 1e-7 of their scale.
_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The least cost, less what the solver's tolerances may have added, and the point found."""

    certified: float
    values: NDArray[np.float64]


def check_solver() -> None:
    """Raise ConfigError where there is no solver."""
    if linprog is None:
        raise ConfigError(
            "the fluid bound needs scipy, which is not installed",
            remedy="Install it with: pip install 'perllm[bound]', or ask for the rest with --no-lp.",
        )


def solve(program: Program) -> Solution | None:
    """Minimise. Returns None where nothing satisfies all rows."""
    check_solver()
    matrix = csr_array(_coordinates(program), shape=(program.rows, program.columns))
    costs, limits = np.concatenate(program.costs), np.concatenate(program.limits)
    found: Any = linprog(costs, A_ub=matrix, b_ub=limits, bounds=(0.0, None), method="highs-ipm")
    if found.status == _INFEASIBLE:
        return None
    if found.status != 0:
        raise InvariantError(f"the solver gave up: {found.message}")
    return Solution(certified=float(found.fun) * (1.0 - _TOLERANCE), values=found.x)


def _coordinates(program: Program) -> Any:
    values, rows, columns = program.triplets()
    return values, (rows, columns)
