"""Idle joules: an account of their own, counted by a rule that is reported beside every result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class IdleAccounting(StrEnum):
    """When a server's idle power counts: as long as it is in the fleet, while it is awake, or never."""

    ALL = "all"
    POWERED = "powered"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleJoules:
    """What a meter says of one machine's idling: while powered on, while resting, and for waking."""

    powered_j: float = 0.0
    resting_j: float = 0.0
    waking_j: float = 0.0

    def counted_j(self, rule: IdleAccounting) -> float:
        """Return the joules that count: resting is being switched off."""
        match rule:
            case IdleAccounting.ALL:
                return self.powered_j + self.resting_j + self.waking_j
            case IdleAccounting.POWERED:
                return self.powered_j + self.waking_j
            case IdleAccounting.NONE:
                return 0.0


# Asked what each machine's idling has cost up to an instant.
IdleMeter = Callable[[float], Mapping[str, IdleJoules]]


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
