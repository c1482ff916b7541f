"""Every server judged for one request at one instant: what it would take there, and which constraint rules it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

from msgspec import Struct

from perllm.domain.reason import Violation
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.constraints import OWN, ROOM, STANDING, TEMPORARY, Passing, too_slow
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.foresight import Foresight
from perllm.scheduling.need import Need
from perllm.scheduling.predictor import estimate_all
from perllm.scheduling.reach import Reach
from perllm.scheduling.records import RequestRecord
from perllm.scheduling.sessions import Sessions, spare

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
        return not self.roomy and OWN.isdisjoint(self.candidates.violations)

    @property
    def may_hold(self) -> bool:
        hold_until_s = self.record.request.hold_until_s
        return hold_until_s is None or self.now_s < hold_until_s


# Forgetting is slow (minutes): looking at it more often than this would change nothing.
FADE_EVERY_S = 30.0


class Judge:
    """Judges requests over one fleet: `holds` makes room a constraint, `minds_time` makes time one."""

    __slots__ = ("_fade_at_s", "_foresight", "_minds_time", "_room", "_row_of", "_servers", "_sessions", "_states")

    def __init__(
        self,
        states: Sequence[ServerState],
        *,
        holds: bool,
        minds_time: bool,
        foresight: Foresight | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._states = states
        self._servers = tuple(state.server for state in states)
        self._row_of = {state.server_id: row for row, state in enumerate(states)}
        self._room: tuple[Passing, ...] = ROOM if holds else ()
        self._minds_time = minds_time
        self._foresight = foresight
        self._sessions = sessions
        self._fade_at_s = 0.0

    def confidence(self, record: RequestRecord) -> float:
        """Return the probability of being in time that a server must offer this request."""
        return record.service.attainment if self._minds_time else 0.0

    def judge(self, record: RequestRecord, need: Need, reach: Reach, now_s: float) -> Judgement:
        """Estimate the request on every server it can reach and note which constraint each one breaks."""
        states, confidence = self._states, self.confidence(record)
        if now_s > self._fade_at_s:
            self._fade_at_s = now_s + FADE_EVERY_S
            for state in states:
                state.fade(now_s)
        candidates = estimate_all(states, need, reach.rows, now_s)
        candidates.servers = self._servers
        cached: Mapping[int, float] = NO_ROWS
        if self._sessions is not None and record.request.session is not None:
            cached = self._cached(self._sessions.cached(record.request, need.prompt_tokens, now_s), candidates)
            if cached:
                spare(candidates, states, need, cached)
        if self._foresight is not None:
            candidates = self._foresight.candidates(record.request, need, candidates, reach.rows, now_s)
        candidates.violations = violations = list(reach.violations)
        probability, first_token_s = candidates.in_time_probability, candidates.first_token_s
        roomy: list[int] = []
        full: list[int] = []
        for row in reach.rows:
            violation = self._violation(record, need, states[row], now_s)
            if violation is None:
                roomy.append(row)
                if confidence <= 0.0 or probability[row] >= confidence:
                    candidates.feasible.append(row)
                    # As `reach` has left it.
                    continue
                violation = too_slow(need, first_token_s[row])
            elif violation in TEMPORARY:
                full.append(row)
            violations[row] = violation
        return Judgement(record, need, candidates, roomy, full, now_s, self._foresight is not None, cached)

    def _cached(self, known: Mapping[str, float], candidates: Candidates) -> Mapping[int, float]:
        """Return the tokens that servers know of a prompt by row, of those it can reach."""
        if not known:
            return NO_ROWS
        rows = {self._row_of[server_id]: tokens for server_id, tokens in known.items()}
        return {row: tokens for row, tokens in rows.items() if not isnan(candidates.total_s[row])}

    def _violation(self, record: RequestRecord, need: Need, state: ServerState, now_s: float) -> Violation | None:
        """Return the first constraint that a server breaks; one that is well at a glance keeps the standing ones."""
        rules = self._room
        if (
            record.tried
            or not state.healthy
            or now_s < state.cooling_until_s
            or need.prompt_tokens >= state.context_tokens
        ):
            rules = STANDING + rules
        elif state.has_room_for_any:
            return None
        for rule in rules:
            violation = rule(record, need, state, now_s)
            if violation is not None:
                return violation
        return None
