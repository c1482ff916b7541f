"""Which servers a kind of request could ever go to: the constraints that do not change while it waits, judged once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan

import numpy as np
from numpy.typing import NDArray

from perllm.domain.explanation import Explanation
from perllm.domain.reason import Refusal, Violation
from perllm.domain.request import Request
from perllm.domain.service import Service
from perllm.scheduling.constraints import LASTING
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.policy import Policy


@dataclass(frozen=True, slots=True)
class Reach:
    """The rows that may serve a kind of request, and why the others may not. `refusal` is set where none may.

    `reached` and `unreached` are both as arrays, for large fleets.
    """

    rows: tuple[int, ...]
    violations: tuple[Violation | None, ...]
    refusal: Refusal | None
    reached: NDArray[np.intp] = field(compare=False)
    unreached: NDArray[np.intp] = field(compare=False)


def reach_of(request: Request, service: Service, states: Sequence[ServerState], policy: Policy) -> Reach:
    """Judge every server by the lasting constraints and by what the policy admits."""
    violations = tuple(_lasting_violation(request, service, state, policy) for state in states)
    rows = tuple(row for row, violation in enumerate(violations) if violation is None)
    may_not = np.array([violation is not None for violation in violations], dtype=bool)
    refusal = None if rows else _refusal(violations)
    return Reach(rows, violations, refusal, np.flatnonzero(~may_not), np.flatnonzero(may_not))


def explain_reach(reach: Reach, policy: str, server_ids: Sequence[str]) -> Explanation:
    """Explain why no server may ever take a kind of request."""
    unknown = [nan] * len(server_ids)
    return Explanation(
        policy=policy,
        server_ids=server_ids,
        total_s=unknown,
        first_token_s=unknown,
        in_time_probability=unknown,
        energy_j=unknown,
        violations=reach.violations,
    )


def _lasting_violation(request: Request, service: Service, state: ServerState, policy: Policy) -> Violation | None:
    for rule in LASTING:
        violation = rule(request, service, state.server)
        if violation is not None:
            return violation
    return None if policy.admits(service, state.server) else Violation.EXCLUDED_BY_POLICY


def _refusal(violations: Sequence[Violation | None]) -> Refusal:
    if all(violation is Violation.MODEL_NOT_SERVED for violation in violations):
        return Refusal.MODEL_NOT_SERVED
    return Refusal.NOT_ALLOWED
