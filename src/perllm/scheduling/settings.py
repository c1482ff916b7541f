"""The scheduler's settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings:
    """How the brain behaves around its policy.

    `hold`: whether requests wait here for room; None leaves it to the policy. `max_held` bounds that queue.
    `power`: whether servers that obey commands are sent to sleep and woken; None leaves it to the policy.
    `sessions`: whether estimates count what conversations have left in servers' caches; None leaves it to the policy.
    `explain`: say of every dispatch what was expected of each server, and estimate for it even where the policy is
    blind to estimates; it changes no decision.
    `refuse_below`: services that refuse the infeasible do so under this probability of being in time.
    `memory_s` and `memory_weight` bound what is learned: the age at which an observation has faded to 1/e, and how
    many observations' worth of evidence a belief may hold. `cooldown_s` is the pause after a server's first failure in
    a row; it doubles with each further one up to `cooldown_limit_s`.
    """

    hold: bool | None = None
    power: bool | None = None
    sessions: bool | None = None
    explain: bool = True
    max_attempts: int = 3
    max_held: int = 1000
    refuse_below: float = 0.5
    memory_s: float = 600.0
    memory_weight: float = 100.0
    cooldown_s: float = 1.0
    cooldown_limit_s: float = 30.0
