"""The decision for one request at one instant: go there, wait, or no. Nothing but the policy is changed by asking.

Constraints first, then the policy among what is left. Where nothing is left, waiting helps if a server that is only
full would still be in time; else the service says whether to serve the least late or to refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan
from typing import cast

import numpy as np
from msgspec import Struct

from perllm.domain.action import Reservation
from perllm.domain.explanation import Explanation
from perllm.domain.reason import Choice, Refusal, Violation
from perllm.domain.service import WhenInfeasible
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.judging import Judge, Judgement
from perllm.scheduling.need import Need
from perllm.scheduling.patience import company_s, room_s
from perllm.scheduling.policy import Policy
from perllm.scheduling.predictor import kv_tokens_of, lateness_per_s
from perllm.scheduling.reach import Reach
from perllm.scheduling.records import RequestRecord
from perllm.scheduling.rows import at_least, best_of, highest, together
from perllm.scheduling.sessions import Sessions
from perllm.scheduling.settings import SchedulerSettings
from perllm.scheduling.standby import prefer_awake

# Waiting for less than this is no waiting; it also keeps rounding from asking for a timer at this very instant.
LEAST_PATIENCE_S = 1e-3
# Waiting for a full server must promise so much more than going to one with room: it is a promise on a prediction.
BETTER = 0.1

# Looking a member up in its enumeration costs as much as three calls where that is done for every request.
_FEASIBLE, _LEAST_LATE = Choice.FEASIBLE, Choice.LEAST_LATE
_SERVE = WhenInfeasible.SERVE


class Go(Struct, frozen=True, gc=False):
    """Dispatch to the server in `row`, expected to take `total_s` and to know `cached_tokens` of the prompt.

    `exposure` is what a second of delay would lose.
    """

    row: int
    choice: Choice
    total_s: float
    exposure: float
    explanation: Explanation | None
    cached_tokens: float = 0.0


class Wait(Struct, frozen=True, gc=False):
    """Hold until room is free or the policy's reason to defer is gone, harmlessly until `latest_start_at_s`.

    `no_room`: no server it may go to has any.
    """

    latest_start_at_s: float
    no_room: bool


class Gather(Struct, frozen=True, gc=False):
    """Hold, and go to the server in `row` when another one goes there, at the latest after `wait_s`."""

    row: int
    wait_s: float
    loss_per_s: float


class No(Struct, frozen=True, gc=False):
    """Refuse."""

    reason: Refusal
    retry_after_s: float | None
    explanation: Explanation


Verdict = Go | Wait | Gather | No


class Chooser:
    """Takes decisions over one fleet with one policy.

    `glances`: the policy looks at no estimate and nobody wants to know of any, so that `glance` may decide.
    """

    __slots__ = (
        "_defers", "_explains", "_exposes", "_gathers", "_judge", "_least_context_tokens", "_minds_time", "_obeyed",
        "_policy", "_refuse_below", "_rng", "_server_ids", "_servers", "_states", "_unknown", "glances",
    )  # fmt: skip

    def __init__(
        self,
        states: Sequence[ServerState],
        policy: Policy,
        settings: SchedulerSettings,
        rng: np.random.Generator,
        sessions: Sessions | None = None,
    ) -> None:
        holds = policy.holds if settings.hold is None else settings.hold
        sleeps = policy.sleeps if settings.power is None else settings.power
        self._obeyed = sleeps and any(state.standby or state.server.sleep is not None for state in states)
        self._gathers = policy.gathers if settings.hold is None else settings.hold
        self.glances = policy.blind and not holds and not settings.explain and not sleeps
        self._states = states
        self._server_ids = tuple(state.server_id for state in states)
        self._policy = policy
        self._defers = type(policy).defers is not Policy.defers
        self._exposes = policy.weighs_lateness or self._gathers
        self._minds_time = policy.minds_time or policy.weighs_lateness
        self._judge = Judge(states, policy, holds=holds, sessions=sessions)
        self._servers = tuple(state.server for state in states)
        self._unknown = (nan,) * len(states)
        self._least_context_tokens = min((state.context_tokens for state in states), default=0)
        self._explains = settings.explain
        self._refuse_below = settings.refuse_below
        self._rng = rng

    def decide(self, record: RequestRecord, need: Need, reach: Reach, now_s: float) -> Verdict:
        """Judge every reachable server, then pick one, wait, or refuse."""
        case = self._judge.judge(record, need, reach, now_s)
        if self._obeyed:
            case = prefer_awake(case, self._states, reach.rows, record.service.attainment if self._minds_time else 0.0)
        feasible = case.candidates.feasible
        if self._policy.weighs_lateness:
            verdict = self._weigh(case)
            if verdict is not None:
                return verdict
        elif len(feasible):
            scores = self._policy.score(record.request, case.candidates, now_s)
            return self._go_when_ripe(case, best_of(feasible, scores, self._rng), _FEASIBLE, scores)
        if len(case.full) and case.may_hold:
            patience_s = room_s(case, self._states, record.service.attainment) if self._minds_time else inf
            if patience_s > LEAST_PATIENCE_S:
                return Wait(now_s + patience_s, case.no_room)
        return self._nothing_feasible(case)

    def _weigh(self, case: Judgement) -> Verdict | None:
        """Let the policy choose among all who have room or will; None where it may choose nobody."""
        candidates, roomy = case.candidates, self._hopeful(case, case.roomy)
        full = self._hopeful(case, case.full) if len(case.full) and case.may_hold else ()
        if not len(roomy):
            return None
        candidates.feasible = cast("list[int]", together(roomy, full) if len(full) else roomy)
        scores = self._policy.score(case.record.request, candidates, case.now_s)
        row = best_of(roomy, scores[: len(roomy)] if len(full) else scores, self._rng)
        if len(full) and highest(scores[len(roomy) :]) > highest(scores[: len(roomy)]):
            patience_s = self._better_wait_s(case, candidates.in_time_probability[row])
            if patience_s > LEAST_PATIENCE_S:
                return Wait(case.now_s + patience_s, case.no_room)
        in_time = candidates.in_time_probability[row] >= case.record.service.attainment
        return self._go_when_ripe(case, row, _FEASIBLE if in_time else _LEAST_LATE, scores)

    def _hopeful(self, case: Judgement, rows: Sequence[int]) -> Sequence[int]:
        """Leave out those that the service would rather have refused."""
        if case.record.service.when_infeasible is _SERVE or not case.need.taught:
            return rows
        return at_least(rows, case.candidates.in_time_probability, self._refuse_below)

    def glance(self, record: RequestRecord, prompt_tokens: float, reach: Reach, now_s: float) -> int | None:
        """Pick as `decide` would for a policy that looks at no estimate; None where that takes a closer look."""
        states = self._states
        if prompt_tokens >= self._least_context_tokens or record.tried:
            return None
        well = [row for row in reach.rows if states[row].healthy and now_s >= states[row].cooling_until_s]
        if not well:
            return None
        unknown, outstanding = self._unknown, [state.batch for state in states]
        candidates = Candidates(
            unknown, unknown, unknown, unknown, unknown, outstanding, feasible=well, servers=self._servers
        )
        return best_of(well, self._policy.score(record.request, candidates, now_s), self._rng)

    def _nothing_feasible(self, case: Judgement) -> Verdict:
        # Refusing on a description alone would leave it unproved for ever: optimism for what has not been tried.
        serves = case.record.service.when_infeasible is _SERVE or not case.need.taught
        probability, total_s = case.candidates.in_time_probability, case.candidates.total_s
        if len(case.roomy):
            likeliest = max([probability[row] for row in case.roomy])
            row = min([row for row in case.roomy if probability[row] == likeliest], key=total_s.__getitem__)
            patience_s = self._better_wait_s(case, probability[row])
            if patience_s > LEAST_PATIENCE_S:
                return Wait(case.now_s + patience_s, case.no_room)
            if serves or probability[row] >= self._refuse_below:
                return self._go(case, row, _LEAST_LATE, ())
        if len(case.full) and case.may_hold:
            patience_s = inf if serves else room_s(case, self._states, self._refuse_below)
            if patience_s > LEAST_PATIENCE_S:
                return Wait(case.now_s + patience_s, case.no_room)
        return self._no(case)

    def _better_wait_s(self, case: Judgement, probability: float) -> float:
        """Return how long a full server stays likelier to be in time than one with room that offers `probability`."""
        if not (len(case.full) and case.may_hold):
            return 0.0
        later = max(case.candidates.in_time_probability[row] for row in case.full)
        return room_s(case, self._states, (probability + later) / 2) if later > probability + BETTER else 0.0

    def _go_when_ripe(self, case: Judgement, row: int, choice: Choice, scores: Sequence[float]) -> Verdict:
        record, now_s = case.record, case.now_s
        if case.may_hold:
            if self._defers:
                until_s = self._policy.defers(record.request, case.candidates, row, record.arrived_at_s, now_s)
                if until_s is not None:
                    return Wait(until_s, no_room=False)
            if self._gathers and not case.foreseen:
                wait_s = company_s(case, row, self._states[row], self._policy.worth(record.service.name))
                if wait_s > 0.0:
                    return Gather(row, wait_s, self._exposure(case, row))
        return self._go(case, row, choice, scores)

    def _go(self, case: Judgement, row: int, choice: Choice, scores: Sequence[float]) -> Go:
        explanation = self._explain(case, row, scores) if self._explains else None
        total_s, cached_tokens = float(case.candidates.total_s[row]), case.cached.get(row, 0.0)
        return Go(row, choice, total_s, self._exposure(case, row), explanation, cached_tokens)

    def _exposure(self, case: Judgement, row: int) -> float:
        if case.foreseen or not self._exposes:
            # What is certain does not become a little less so, and of what nobody asks for nothing need be known.
            return 0.0
        first_token_s, token_s = float(case.candidates.first_token_s[row]), float(case.candidates.token_s[row])
        return lateness_per_s(case.need, self._states[row].time_sd, first_token_s, token_s)

    def _no(self, case: Judgement) -> No:
        reason, retry_after_s = self._why_not(case)
        return No(reason, retry_after_s, self._explain(case, None, ()))

    def _why_not(self, case: Judgement) -> tuple[Refusal, float | None]:
        """Name the refusal after the obstacle that is nearest to being lifted."""
        violations = case.candidates.violations
        if len(case.roomy):
            return Refusal.CANNOT_MEET_REQUIREMENT, None
        if len(case.full):
            soonest_s = min(self._room_in_s(row, case.now_s) for row in case.full)
            return (Refusal.CANNOT_MEET_REQUIREMENT if case.may_hold else Refusal.NO_ROOM), soonest_s
        if Violation.UNHEALTHY in violations:
            return Refusal.NO_HEALTHY_SERVER, None
        if Violation.ALREADY_TRIED in violations:
            return Refusal.ATTEMPTS_EXHAUSTED, None
        return Refusal.CONTEXT_TOO_LONG, None

    def _room_in_s(self, row: int, now_s: float) -> float:
        """Return how soon a server that can take nothing now may take something."""
        state = self._states[row]
        return max(state.attempt_s.mean / state.slots, state.cooling_until_s - now_s)

    def _explain(self, case: Judgement, row: int | None, scores: Sequence[float]) -> Explanation:
        candidates = case.candidates
        return Explanation(
            policy=self._policy.name,
            server_ids=self._server_ids,
            total_s=candidates.total_s,
            first_token_s=candidates.first_token_s,
            in_time_probability=candidates.in_time_probability,
            energy_j=candidates.energy_j,
            violations=candidates.violations,
            judged=candidates.feasible if len(scores) else (),
            scores=scores,
            chosen=row,
        )


def reservation_of(need: Need, state: ServerState, total_s: float) -> Reservation:
    """Return what an attempt takes: cache for a long answer, and the mean rate at which its bytes must move."""
    rate, free = need.moved_bytes / total_s, state.bytes_per_s_limit - state.bytes_per_s
    if rate > free:
        rate = free if free > 0.0 else 0.0
    return Reservation(kv_tokens=kv_tokens_of(need, state), bytes_per_s=rate)
