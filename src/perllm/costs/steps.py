"""Many steps of an engine at once: how long they take, and how many fit a time, without walking through them."""

from __future__ import annotations

from math import ceil, sqrt

from msgspec import Struct

# How near a whole number a real number of steps must be for rounding to matter: that of some million steps.
_ROUNDING = 1e-6


class Steps(Struct, frozen=True, gc=False):
    """Steps over an unchanging batch: arithmetic beside memory traffic, as `costs.time.busy_s` has it, plus overhead_s.

    Memory traffic is memory_s + i * growth_s in step i: it grows by the context that the step before has added, while
    arithmetic does not grow. So arithmetic may rule at first, and memory from some step on.
    """

    arithmetic_s: float
    memory_s: float
    growth_s: float
    overhead_s: float
    serial_fraction: float = 0.0

    def total_s(self, steps: int) -> float:
        """Time of the first `steps` steps."""
        arithmetic_s, memory_s, growth_s = self.arithmetic_s, self.memory_s, self.growth_s
        overhead_s, serial = self.overhead_s, self.serial_fraction
        if growth_s <= 0.0:
            longer_s, shorter_s = (arithmetic_s, memory_s) if arithmetic_s > memory_s else (memory_s, arithmetic_s)
            return steps * (longer_s + serial * shorter_s + overhead_s)
        ruled = self._ruled_by_arithmetic(steps) if arithmetic_s > memory_s else 0
        early_s = ruled * (memory_s + growth_s * (ruled - 1) / 2)
        late_s = (steps - ruled) * (memory_s + growth_s * (ruled + steps - 1) / 2)
        hidden_s = early_s + (steps - ruled) * arithmetic_s
        return steps * overhead_s + ruled * arithmetic_s + late_s + serial * hidden_s

    def until(self, elapsed_s: float) -> int:
        """Fewest steps that take at least so long."""
        if elapsed_s <= 0.0:
            return 0
        real_steps = self._real_steps(elapsed_s)
        steps = ceil(real_steps)
        if _ROUNDING < steps - real_steps < 1.0 - _ROUNDING:
            return steps
        # Rounding may have put a whole number on either side.
        while steps > 0 and self.total_s(steps - 1) >= elapsed_s:
            steps -= 1
        while self.total_s(steps) < elapsed_s:
            steps += 1
        return steps

    def within(self, elapsed_s: float) -> int:
        """Most steps that are over by then; before the first has begun, none."""
        if elapsed_s <= 0.0:
            return 0
        steps = self.until(elapsed_s)
        return steps if self.total_s(steps) <= elapsed_s else steps - 1

    def _ruled_by_arithmetic(self, steps: int) -> int:
        crossing = ceil((self.arithmetic_s - self.memory_s) / self.growth_s)
        return crossing if crossing < steps else steps

    def _real_steps(self, elapsed_s: float) -> float:
        """Solve total_s(n) = elapsed_s for a real n, first while arithmetic rules and then from there on."""
        arithmetic_s, memory_s, growth_s = self.arithmetic_s, self.memory_s, self.growth_s
        overhead_s, serial = self.overhead_s, self.serial_fraction
        if growth_s <= 0.0:
            return elapsed_s / self.total_s(1)
        early, early_s = 0, 0.0
        if arithmetic_s > memory_s:
            early = ceil((arithmetic_s - memory_s) / growth_s)
            early_s = self.total_s(early)
            if early_s >= elapsed_s:
                return _solved(arithmetic_s + serial * memory_s + overhead_s, serial * growth_s, elapsed_s)
        first_s = memory_s + early * growth_s + serial * arithmetic_s + overhead_s
        return early + _solved(first_s, growth_s, elapsed_s - early_s)


def _solved(first_s: float, growth_s: float, elapsed_s: float) -> float:
    """Return how many steps take so long if the first takes first_s, and each growth_s more than the one before."""
    # The root of growth/2 n^2 + (first - growth/2) n = elapsed, in the form that takes no difference of alike numbers.
    slope_s = first_s - growth_s / 2
    root_s = sqrt(slope_s * slope_s + 2.0 * growth_s * elapsed_s)
    return 2.0 * elapsed_s / (root_s + slope_s) if slope_s > 0.0 else (root_s - slope_s) / growth_s
