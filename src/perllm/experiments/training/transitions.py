"""What a learner of scores remembers: states, what could be done, what was done, and what came of it soon after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]

# The paper's discount, and the published code's number of steps over which rewards are added up.
GAMMA: Final = 0.95
STEPS_AHEAD: Final = 3


class Step(NamedTuple):
    """One decision of an episode and its reward."""

    state: Sequence[float]
    allowed: Sequence[bool]
    action: int
    reward: float


class Batch(NamedTuple):
    """Transitions as columns. `kept` is what a value `STEPS_AHEAD` steps later counts for: nothing after the end."""

    state: Values
    allowed: Values
    action: Values
    gain: Values
    later_state: Values
    later_allowed: Values
    kept: Values


def transitions_of(steps: Sequence[Step], origin: float = 0.0) -> Batch:
    """Add up the rewards, counted from `origin`, of each decision of an episode and those that came next."""
    count = len(steps)
    later = [min(number + STEPS_AHEAD, count - 1) for number in range(count)]
    gain = [
        sum(GAMMA**ahead * (step.reward - origin) for ahead, step in enumerate(steps[number : number + STEPS_AHEAD]))
        for number in range(count)
    ]
    return Batch(
        state=np.array([step.state for step in steps], np.float32),
        allowed=np.array([step.allowed for step in steps], bool),
        action=np.array([step.action for step in steps], np.int64),
        gain=np.array(gain, np.float32),
        later_state=np.array([steps[at].state for at in later], np.float32),
        later_allowed=np.array([steps[at].allowed for at in later], bool),
        kept=np.array([GAMMA**STEPS_AHEAD * (n + STEPS_AHEAD < count) for n in range(count)], np.float32),
    )


class Replay:
    """All transitions so far, at most the newest `capacity`."""

    def __init__(self, capacity: int = 1_000_000) -> None:
        self._capacity = capacity
        self._parts: list[Batch] = []
        self._all: Batch | None = None

    def add(self, part: Batch) -> None:
        """Take in the transitions of an episode."""
        self._parts.append(part)
        while sum(len(kept.action) for kept in self._parts) > self._capacity:
            del self._parts[0]
        self._all = Batch(*(np.concatenate(column) for column in zip(*self._parts, strict=True)))

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Draw transitions with replacement. Raises ValueError while there are none."""
        if self._all is None:
            raise ValueError("nothing has been remembered yet")
        chosen = rng.integers(len(self._all.action), size=size)
        return Batch(*(column[chosen] for column in self._all))
