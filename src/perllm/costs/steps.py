"""Many steps of an engine at once: how long they take, and how many fit a time, without walking through them."""

from __future__ import annotations

from math import ceil, sqrt
from typing import NamedTuple


class Steps(NamedTuple):
    """Steps over an unchanging batch. Step i takes max(arithmetic_s, memory_s + i * growth_s) + overhead_s.

    Memory traffic grows with every step, by the context that the step before has added; arithmetic does not. So
    arithmetic may rule at first, and memory from some step on.
    """

    arithmetic_s: float
    memory_s: float
    growth_s: float
    overhead_s: float

    def total_s(self, steps: int) -> float:
        """Time of the first `steps` steps."""
        arithmetic_s, memory_s, growth_s, overhead_s = self
        if growth_s <= 0.0:
            return steps * ((arithmetic_s if arithmetic_s > memory_s else memory_s) + overhead_s)
        ruled = self._ruled_by_arithmetic(steps) if arithmetic_s > memory_s else 0
        rest = steps - ruled
        return steps * overhead_s + ruled * arithmetic_s + rest * (memory_s + growth_s * (ruled + steps - 1) / 2)

    def until(self, elapsed_s: float) -> int:
        """Fewest steps that take at least so long."""
        if elapsed_s <= 0.0:
            return 0
        steps = ceil(self._real_steps(elapsed_s))
        # Rounding may have put a whole number on either side.
        while steps > 0 and self.total_s(steps - 1) >= elapsed_s:
            steps -= 1
        while self.total_s(steps) < elapsed_s:
            steps += 1
        return steps

    def within(self, elapsed_s: float) -> int:
        """Most steps that are over by then."""
        steps = self.until(elapsed_s)
        return steps if self.total_s(steps) <= elapsed_s else steps - 1

    def _ruled_by_arithmetic(self, steps: int) -> int:
        crossing = ceil((self.arithmetic_s - self.memory_s) / self.growth_s)
        return crossing if crossing < steps else steps

    def _real_steps(self, elapsed_s: float) -> float:
        """Solve total_s(n) = elapsed_s for a real n: linear while arithmetic rules, quadratic after."""
        arithmetic_s, memory_s, growth_s, overhead_s = self
        first_s = (arithmetic_s if arithmetic_s > memory_s else memory_s) + overhead_s
        if growth_s <= 0.0:
            return elapsed_s / first_s
        ruled = max(ceil((arithmetic_s - memory_s) / growth_s), 0)
        if ruled * first_s >= elapsed_s:
            return elapsed_s / first_s
        # growth/2 n^2 + (memory + overhead + growth (ruled - 1/2)) n = what is left after the steps ruled by arithmetic
        left_s, slope_s = elapsed_s - ruled * first_s, memory_s + overhead_s + growth_s * (ruled - 0.5)
        return ruled + (sqrt(slope_s * slope_s + 2.0 * growth_s * left_s) - slope_s) / growth_s
