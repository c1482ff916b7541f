"""A large fleet as arrays, one entry per server, brought up to date only for the servers that have changed."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from perllm.scheduling.fleet import ServerState

# From so many servers on, arrays are quicker than a loop over them.
LARGE = 64

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


class Columns:
    """What estimates and constraints read of every server.

    `outlook` has a row for each of an outlook's coefficients. A server is `shut_until_s` while it rests, for ever while
    it is not healthy; `full` says that every slot is taken. `well_at_s` is the server's own.
    """

    __slots__ = (
        "_changed", "_row_of", "full", "least_context_tokens", "outlook", "outstanding", "shut_until_s", "states",
        "well_at_s",
    )  # fmt: skip

    def __init__(self, states: Sequence[ServerState]) -> None:
        count = len(states)
        self.states = states
        self.least_context_tokens = min(state.context_tokens for state in states)
        self._row_of = {state: row for row, state in enumerate(states)}
        self._changed = set(states)
        self.outlook: Floats = np.zeros((len(states[0].look()), count))
        self.shut_until_s: Floats = np.zeros(count)
        self.full = np.zeros(count, dtype=bool)
        self.well_at_s: Floats = np.zeros(count)
        self.outstanding = np.zeros(count, dtype=np.intp)
        for state in states:
            state.changes = self._changed

    def refresh(self) -> None:
        """Read again what has changed since the last time."""
        if not self._changed:
            return
        states = list(self._changed)
        self._changed.clear()
        rows = [self._row_of[state] for state in states]
        self.outlook[:, rows] = np.array([state.outlook or state.look() for state in states]).T
        self.shut_until_s[rows] = [state.cooling_until_s if state.healthy else inf for state in states]
        self.full[rows] = [state.batch >= state.slots for state in states]
        self.well_at_s[rows] = [state.well_at_s for state in states]
        self.outstanding[rows] = [state.batch for state in states]
