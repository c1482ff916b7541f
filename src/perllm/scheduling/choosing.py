"""The decision for one request at one instant: go there, wait, or no. Nothing but the policy is changed by asking.

Constraints first, then the policy among what is left. Where nothing is left, waiting helps if a server that is only
full would still be in time; else the service says whether to serve the least late or to refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, nan
from statistics import NormalDist

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
from perllm.scheduling.policy import Policy
from perllm.scheduling.predictor import confident_total_s, kv_tokens_of
from perllm.scheduling.reach import Reach
from perllm.scheduling.records import RequestRecord
from perllm.scheduling.settings import SchedulerSettings

# Waiting for less than this is no waiting; it also keeps rounding from asking for a timer at this very instant.
LEAST_PATIENCE_S = 1e-3
# Waiting for a full server must promise so much more than going to one with room: it is a promise on a prediction.
BETTER = 0.1


class Go(Struct, frozen=True, gc=False):
    """Dispatch to the server in `row`, expected to take `total_s`."""

    row: int
    choice: Choice
    total_s: float
    explanation: Explanation | None


class Wait(Struct, frozen=True, gc=False):
    """Hold until room is free, harmlessly until `latest_start_at_s`. `no_room`: no server it may go to has any."""

    latest_start_at_s: float
    no_room: bool


class No(Struct, frozen=True, gc=False):
    """Refuse."""

    reason: Refusal
    retry_after_s: float | None
    explanation: Explanation


Verdict = Go | Wait | No


class Chooser:
    """Takes decisions over one fleet with one policy.

    `glances`: the policy looks at no estimate and nobody wants to know of any, so that `glance` may decide.
    """

    __slots__ = (
        "_explains", "_judge", "_least_context_tokens", "_policy", "_refuse_below", "_rng", "_server_ids", "_servers",
        "_states", "_unknown", "glances",
    )  # fmt: skip

    def __init__(
        self,
        states: Sequence[ServerState],
        policy: Policy,
        settings: SchedulerSettings,
        rng: np.random.Generator,
    ) -> None:
        holds = policy.holds if settings.hold is None else settings.hold
        self.glances = policy.blind and not holds and not settings.explain
        self._states = states
        self._server_ids = tuple(state.server_id for state in states)
        self._policy = policy
        self._judge = Judge(states, holds=holds, minds_time=policy.minds_time)
        self._servers = tuple(state.server for state in states)
        self._unknown = (nan,) * len(states)
        self._least_context_tokens = min((state.context_tokens for state in states), default=0)
        self._explains = settings.explain
        self._refuse_below = settings.refuse_below
        self._rng = rng

    def decide(self, record: RequestRecord, need: Need, reach: Reach, now_s: float) -> Verdict:
        """Judge every reachable server, then pick one, wait, or refuse."""
        case = self._judge.judge(record, need, reach, now_s)
        feasible = case.candidates.feasible
        if feasible:
            scores = self._policy.score(record.request, case.candidates, now_s)
            return self._go(case, self._best(feasible, scores), Choice.FEASIBLE, scores)
        if case.full and case.may_hold:
            patience_s = self._patience_s(case, self._judge.confidence(record)) if self._policy.minds_time else inf
            if patience_s > LEAST_PATIENCE_S:
                return Wait(now_s + patience_s, case.no_room)
        return self._nothing_feasible(case)

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
        return self._best(well, self._policy.score(record.request, candidates, now_s))

    def _best(self, rows: Sequence[int], scores: Sequence[float]) -> int:
        best = max(scores)
        if scores.count(best) == 1:
            return rows[scores.index(best)]
        ties = [row for row, score in zip(rows, scores, strict=True) if score == best]
        return ties[int(self._rng.integers(len(ties)))]

    def _nothing_feasible(self, case: Judgement) -> Verdict:
        # Refusing on a description alone would leave it unproved for ever: optimism for what has not been tried.
        serves = case.record.service.when_infeasible is WhenInfeasible.SERVE or not case.need.taught
        probability, total_s = case.candidates.in_time_probability, case.candidates.total_s
        if case.roomy:
            row = min(case.roomy, key=lambda row: (-probability[row], total_s[row]))
            patience_s = self._better_wait_s(case, probability[row])
            if patience_s > LEAST_PATIENCE_S:
                return Wait(case.now_s + patience_s, case.no_room)
            if serves or probability[row] >= self._refuse_below:
                return self._go(case, row, Choice.LEAST_LATE, ())
        if case.full and case.may_hold:
            patience_s = inf if serves else self._patience_s(case, self._refuse_below)
            if patience_s > LEAST_PATIENCE_S:
                return Wait(case.now_s + patience_s, case.no_room)
        return self._no(case)

    def _better_wait_s(self, case: Judgement, probability: float) -> float:
        """Return how long a full server stays likelier to be in time than one with room that offers `probability`."""
        if not (case.full and case.may_hold):
            return 0.0
        later = max(case.candidates.in_time_probability[row] for row in case.full)
        return self._patience_s(case, (probability + later) / 2) if later > probability + BETTER else 0.0

    def _patience_s(self, case: Judgement, confidence: float) -> float:
        """Return how long the request can wait for a full server and still be in time with this confidence."""
        need, candidates = case.need, case.candidates
        if need.budget_s == inf and need.first_token_budget_s == inf:
            return inf
        z = NormalDist().inv_cdf(min(max(confidence, 0.01), 0.999))
        longest_s = 0.0
        for row in case.full:
            if candidates.in_time_probability[row] >= confidence:
                first_s, token_s = candidates.first_token_s[row], candidates.token_s[row]
                time_sd = self._states[row].time_sd
                total_s = confident_total_s(need, z, time_sd, first_s, token_s)
                spare_s = min(need.budget_s - total_s, need.first_token_budget_s - first_s * exp(z * time_sd))
                longest_s = max(longest_s, spare_s)
        return longest_s

    def _go(self, case: Judgement, row: int, choice: Choice, scores: Sequence[float]) -> Go:
        explanation = self._explain(case, row, scores) if self._explains else None
        return Go(row, choice, case.candidates.total_s[row], explanation)

    def _no(self, case: Judgement) -> No:
        reason, retry_after_s = self._why_not(case)
        return No(reason, retry_after_s, self._explain(case, None, ()))

    def _why_not(self, case: Judgement) -> tuple[Refusal, float | None]:
        """Name the refusal after the obstacle that is nearest to being lifted."""
        violations = case.candidates.violations
        if case.roomy:
            return Refusal.CANNOT_MEET_REQUIREMENT, None
        if case.full:
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
            judged=candidates.feasible if scores else (),
            scores=scores,
            chosen=row,
        )


def reservation_of(need: Need, state: ServerState, total_s: float) -> Reservation:
    """Return what an attempt takes: cache for a long answer, and the mean rate at which its bytes must move."""
    rate = need.moved_bytes / total_s
    free = max(state.bytes_per_s_limit - state.bytes_per_s, 0.0)
    return Reservation(kv_tokens=kv_tokens_of(need, state), bytes_per_s=min(rate, free))
