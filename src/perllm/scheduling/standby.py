"""Servers that are asleep, or soon will be: who else can serve a request does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from msgspec.structs import replace

from perllm.domain.reason import Violation
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.judging import Judgement

# Waiting for a full server must promise a little more than what was asked for, or it is waited for at the very last
# instant still, when one on standby is already too late.
SURER = 0.01
# What would not be so if the server were awake.
PASSING = (None, Violation.TOO_SLOW, Violation.FIRST_TOKEN_TOO_SLOW)


def prefer_awake(case: Judgement, states: Sequence[ServerState], rows: Sequence[int], confidence: float) -> Judgement:
    """Rule out what is on standby where somebody awake can serve in time; else say what waking it costs."""
    standby = [row for row in rows if states[row].standby]
    if not standby:
        return case
    if not _somebody_can(case, states, confidence):
        case.candidates.energy_j = with_waking(case.candidates.energy_j, states, standby)
        return case
    case.candidates.feasible = _awake(case.candidates.feasible, states)
    violations = list(case.candidates.violations)
    for row in standby:
        if violations[row] in PASSING:
            violations[row] = Violation.ON_STANDBY
    case.candidates.violations = violations
    return replace(case, roomy=_awake(case.roomy, states), full=_awake(case.full, states))


def with_waking(energy_j: Sequence[float], states: Sequence[ServerState], rows: Sequence[int]) -> Sequence[float]:
    """Add to the joules of those that sleep what waking them costs."""
    found: Any = energy_j.copy() if isinstance(energy_j, np.ndarray) else list(energy_j)
    for row in rows:
        sleep = states[row].server.sleep
        if sleep is not None and states[row].ready_in_s > 0.0:
            found[row] += sleep.wake_j + sleep.wake_s * states[row].server.power.idle_w
    return cast("Sequence[float]", found)


def _somebody_can(case: Judgement, states: Sequence[ServerState], confidence: float) -> bool:
    """Whether one that is awake can serve the request in time, now or once there is room."""
    if any(not states[row].standby for row in case.candidates.feasible):
        return True
    probability = case.candidates.in_time_probability
    return case.may_hold and any(
        not states[row].standby and probability[row] >= min(confidence + SURER, 1.0) for row in case.full
    )


def _awake(rows: Sequence[int], states: Sequence[ServerState]) -> list[int]:
    given: Any = rows
    if isinstance(given, np.ndarray):
        return cast("list[int]", given[[not states[row].standby for row in given.tolist()]])
    return [row for row in rows if not states[row].standby]
