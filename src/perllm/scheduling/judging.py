"""Every server judged for one request at one instant: what it would take there, and which constraint rules it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import cast

import numpy as np
from msgspec import Struct

from perllm.scheduling.candidates import Candidates
from perllm.scheduling.columns import LARGE, Columns
from perllm.scheduling.constraints import OWN, ROOM, STANDING, TEMPORARY, Passing, first_broken, too_slow
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.need import Need
from perllm.scheduling.policy import Policy
from perllm.scheduling.predictor import estimate_all
from perllm.scheduling.reach import Reach
from perllm.scheduling.records import RequestRecord
from perllm.scheduling.rows import as_lists, listed
from perllm.scheduling.sessions import Sessions, spare
from perllm.scheduling.sifting import Sieve
from perllm.scheduling.waking import waking_j
from perllm.scheduling.wide import estimate_wide

NO_ROWS: Mapping[int, float] = {}


class Judgement(Struct, frozen=True, gc=False):
    """The estimates and violations of one decision.

    `roomy` rows could take the request now, in time or not; `full` rows will in a while. `foreseen`: these
    times are no estimates. Rows in `cached` know so many tokens of the prompt.
    """

    record: RequestRecord
    need: Need
    candidates: Candidates
    roomy: Sequence[int]
    full: Sequence[int]
    now_s: float
    foreseen: bool = False
    cached: Mapping[int, float] = NO_ROWS

    @property
    def no_room(self) -> bool:
        """Whether nobody of this request's kind would find room now: a server may be closed to this one alone."""
        return not len(self.roomy) and OWN.isdisjoint(self.candidates.violations)

    @property
    def may_hold(self) -> bool:
        hold_until_s = self.record.request.hold_until_s
        return hold_until_s is None or self.now_s < hold_until_s


# Forgetting is slow (minutes): looking at it more often than this would change nothing.
FADE_EVERY_S = 30.0

# Who has room, and who is only full.
Rows = tuple[Sequence[int], Sequence[int]]


class Judge:
    """Judges requests over one fleet for a policy: `holds` makes room a constraint.

    In a large fleet this is done with arrays; the policy gets lists all the same unless it takes arrays.
    """

    __slots__ = (
        "_columns", "_fade_at_s", "_foresight", "_least_context_tokens", "_minds_time", "_room", "_row_of",
        "_servers", "_sessions", "_sieve", "_states", "_takes_arrays", "_wakings",
    )  # fmt: skip

    def __init__(
        self, states: Sequence[ServerState], policy: Policy, *, holds: bool, sessions: Sessions | None = None
    ) -> None:
        self._states = states
        self._servers = tuple(state.server for state in states)
        self._row_of = {state.server_id: row for row, state in enumerate(states)}
        self._room: tuple[Passing, ...] = ROOM if holds else ()
        self._minds_time = policy.minds_time
        self._foresight = policy.foresight
        self._takes_arrays = policy.takes_arrays
        self._sessions = sessions
        wakings = ((row, waking_j(state.server)) for row, state in enumerate(states))
        self._wakings = tuple((row, joules) for row, joules in wakings if joules > 0.0)
        self._fade_at_s = 0.0
        self._least_context_tokens = min((state.context_tokens for state in states), default=0)
        self._columns = Columns(states) if len(states) >= LARGE and policy.foresight is None else None
        self._sieve = None if self._columns is None else Sieve(self._columns, self._room)

    def confidence(self, record: RequestRecord) -> float:
        """Return the probability of being in time that a server must offer this request."""
        return record.service.attainment if self._minds_time else 0.0

    def judge(self, record: RequestRecord, need: Need, reach: Reach, now_s: float) -> Judgement:
        """Estimate the request on every server it can reach and note which constraint each one breaks."""
        if now_s > self._fade_at_s:
            self._fade_at_s = now_s + FADE_EVERY_S
            for state in self._states:
                state.fade(now_s)
        wide = self._columns if len(reach.rows) >= LARGE else None
        if wide is None:
            candidates = estimate_all(self._states, need, reach.rows, now_s)
        else:
            wide.refresh()
            candidates = estimate_wide(wide, need, reach.unreached, now_s)
        candidates.servers = self._servers
        if self._wakings:
            self._charge_waking(candidates)
        cached: Mapping[int, float] = NO_ROWS
        if self._sessions is not None and record.request.session is not None:
            cached = self._cached(self._sessions.cached(record.request, need.prompt_tokens, now_s), candidates)
            if cached:
                spare(candidates, self._states, need, cached)
        if self._foresight is not None:
            candidates = self._foresight.candidates(record.request, need, candidates, reach.rows, now_s)
        if wide is None:
            roomy, full = self._sift(record, need, reach, candidates, now_s)
        else:
            roomy, full = self._sift_wide(record, need, reach, candidates, now_s)
            if not self._takes_arrays:
                candidates, roomy, full = as_lists(candidates), listed(roomy), listed(full)
        return Judgement(record, need, candidates, roomy, full, now_s, self._foresight is not None, cached)

    def _charge_waking(self, candidates: Candidates) -> None:
        energy_j = cast("list[float]", candidates.energy_j)
        for row, joules in self._wakings:
            if self._states[row].ready_in_s > 0.0:
                energy_j[row] += joules

    def _cached(self, known: Mapping[str, float], candidates: Candidates) -> Mapping[int, float]:
        """Return the tokens that servers know of a prompt by row, of those it can reach."""
        if not known:
            return NO_ROWS
        rows = {self._row_of[server_id]: tokens for server_id, tokens in known.items()}
        return {row: tokens for row, tokens in rows.items() if not isnan(candidates.total_s[row])}

    def _sift(self, record: RequestRecord, need: Need, reach: Reach, candidates: Candidates, now_s: float) -> Rows:
        candidates.violations = violations = list(reach.violations)
        states, roomy, full = self._states, list[int](), list[int]()
        closely, rules = record.tried or need.prompt_tokens >= self._least_context_tokens, STANDING + self._room
        for row in reach.rows:
            violation = None
            # One that is well at a glance breaks no constraint.
            if closely or states[row].well_at_s > now_s:
                violations[row] = violation = first_broken(rules, record, need, states[row], now_s)
            if violation is None:
                roomy.append(row)
            elif violation in TEMPORARY:
                full.append(row)
        confidence, probability = self.confidence(record), candidates.in_time_probability
        candidates.feasible = roomy
        if confidence > 0.0:
            candidates.feasible = [row for row in roomy if probability[row] >= confidence]
            if len(candidates.feasible) < len(roomy):
                for row in roomy:
                    if not probability[row] >= confidence:
                        violations[row] = too_slow(need, candidates.first_token_s[row])
        return roomy, full

    def _sift_wide(self, record: RequestRecord, need: Need, reach: Reach, candidates: Candidates, now_s: float) -> Rows:
        assert self._sieve is not None
        candidates.violations = violations = list(reach.violations)
        confidence = self.confidence(record)
        well, full = self._sieve.sift(record, need, reach, now_s, violations)
        roomy = feasible = well.nonzero()[0]
        if confidence > 0.0:
            in_time = well & (np.asarray(candidates.in_time_probability) >= confidence)
            feasible = in_time.nonzero()[0]
            for row in (well & ~in_time).nonzero()[0].tolist():
                violations[row] = too_slow(need, candidates.first_token_s[row])
        candidates.feasible = cast("list[int]", feasible)
        return cast("Sequence[int]", roomy), cast("Sequence[int]", full.nonzero()[0])
