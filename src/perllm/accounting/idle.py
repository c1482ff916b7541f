"""Idle joules: an account of their own, counted by a rule that is reported beside every result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IdleAccounting(StrEnum):
    """When a server's idle power counts: as long as it is in the fleet, while it is awake, or never."""

    ALL = "all"
    POWERED = "powered"
    NONE = "none"


@dataclass(slots=True)
class IdleAccount:
    """Idle power of one server, integrated over the time that counts: `advance` before changing anything."""

    rule: IdleAccounting
    idle_w: float = 0.0
    present: bool = False
    awake: bool = True
    at_s: float = 0.0
    joules: float = 0.0

    def advance(self, now_s: float) -> None:
        """Integrate up to `now_s`."""
        if self._counts():
            self.joules += self.idle_w * (now_s - self.at_s)
        self.at_s = now_s

    def _counts(self) -> bool:
        match self.rule:
            case IdleAccounting.ALL:
                return self.present
            case IdleAccounting.POWERED:
                return self.present and self.awake
            case IdleAccounting.NONE:
                return False
