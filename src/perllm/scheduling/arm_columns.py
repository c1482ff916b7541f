"""The bounds of one service's arms as arrays over a large fleet, brought up to date only for arms that have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from perllm.domain.server import Server
from perllm.scheduling.columns import Floats


class Bounded(Protocol):
    """An arm: the mean of a logarithm, and how wide its bounds are."""

    log_mean: float
    width: float


class ArmColumns:
    """What is known of each server's arm; `changed` names the servers whose arms are to be looked at again."""

    __slots__ = ("_row_of", "changed", "log_mean", "servers", "width")

    def __init__(self, servers: Sequence[Server], untried: Bounded) -> None:
        self.servers = servers
        self._row_of = {server.server_id: row for row, server in enumerate(servers)}
        self.changed = set(self._row_of)
        self.log_mean: Floats = np.full(len(servers), untried.log_mean)
        self.width: Floats = np.full(len(servers), untried.width)

    def refresh(self, arms: Mapping[str, Bounded]) -> None:
        """Read again what has changed since the last time."""
        for server_id in self.changed:
            arm, row = arms.get(server_id), self._row_of.get(server_id)
            if arm is not None and row is not None:
                self.log_mean[row] = arm.log_mean
                self.width[row] = arm.width
        self.changed.clear()
