"""Which servers of a large fleet could take a request: only those not well at a glance are looked at singly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perllm.domain.reason import Violation
from perllm.scheduling.columns import Columns
from perllm.scheduling.constraints import STANDING, TEMPORARY, Passing, first_broken
from perllm.scheduling.need import Need
from perllm.scheduling.reach import Reach
from perllm.scheduling.records import RequestRecord

Flags = NDArray[np.bool_]


class Sieve:
    """Sifts one large fleet; `room` are the rules that say whether there is any."""

    __slots__ = ("_columns", "_room")

    def __init__(self, columns: Columns, room: tuple[Passing, ...]) -> None:
        self._columns = columns
        self._room = room

    def sift(
        self, record: RequestRecord, need: Need, reach: Reach, now_s: float, violations: list[Violation | None]
    ) -> tuple[Flags, Flags]:
        """Say who has room and who only lacks it, and note in `violations` what rules the others out."""
        well = np.zeros(len(violations), dtype=bool)
        well[reach.reached] = True
        full, doubtful = self._glance(record, need, well, now_s)
        for row in full.nonzero()[0].tolist():
            violations[row] = Violation.NO_SLOT
        well &= ~full
        rules, states = STANDING + self._room, self._columns.states
        for row in (well & doubtful).nonzero()[0].tolist():
            violations[row] = violation = first_broken(rules, record, need, states[row], now_s)
            well[row] = violation is None
            full[row] = violation in TEMPORARY
        return well, full

    def _glance(self, record: RequestRecord, need: Need, reached: Flags, now_s: float) -> tuple[Flags, Flags]:
        """Say of whom it is plain that all their slots are taken, and who is to be looked at."""
        columns = self._columns
        if record.tried or need.prompt_tokens >= columns.least_context_tokens:
            return np.zeros(len(reached), dtype=bool), reached
        shut = columns.shut_until_s > now_s
        if not self._room:
            return np.zeros(len(reached), dtype=bool), shut
        return reached & columns.full & ~shut, columns.well_at_s > now_s
