"""What happens to requests: dispatched, held, refused, tried elsewhere, finished. Every step is a row of their life.

Each method appends what the shell must do to `actions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from types import MappingProxyType

from perllm.domain.action import Action, Cancel, CancelCause, Dispatch, Fate, Finish, Refuse, Reservation
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.energy import EnergyMethod
from perllm.domain.explanation import Explanation
from perllm.domain.reason import Choice, Refusal
from perllm.domain.service import WhenLate
from perllm.scheduling.choosing import Gather, Go, No, Wait, reservation_of
from perllm.scheduling.fleet import ServerState
from perllm.scheduling.life import RequestEvent, RequestState, after_request
from perllm.scheduling.need import Need
from perllm.scheduling.outcomes import outcome_of
from perllm.scheduling.predictor import basis_of, charged_energy_j
from perllm.scheduling.queue import HeldQueue
from perllm.scheduling.records import AttemptRecord, Basis, Group, RequestRecord, attempted
from perllm.scheduling.settings import SchedulerSettings
from perllm.scheduling.timers import Timers
from perllm.scheduling.view import View

# The owner of timers that concern no request: a resting server may serve again.
ANYBODY = ""
# How many of the held are looked at when room appears. Under overload most of a long queue would find none; whoever is
# not looked at comes up with the next room or with their own timer.
MOST_AT_ONCE = 64

_NOTHING = Reservation(kv_tokens=0, bytes_per_s=0.0)

FATE_OF: Mapping[RequestState, Fate] = MappingProxyType(
    {
        RequestState.COMPLETED: Fate.COMPLETED,
        RequestState.FAILED: Fate.FAILED,
        RequestState.TIMED_OUT: Fate.TIMED_OUT,
        RequestState.CANCELLED: Fate.CANCELLED,
        RequestState.REFUSED: Fate.REFUSED,
    }
)

# Looking a member up in its enumeration costs as much as three calls where that is done for every request.
_DISPATCH, _COMPLETE, _TIME_OUT = RequestEvent.DISPATCH, RequestEvent.COMPLETE, RequestEvent.TIME_OUT
_CANCEL_LATE = WhenLate.CANCEL
_HELD, _IN_FLIGHT, _LEAVING = RequestState.HELD, RequestState.IN_FLIGHT, RequestState.LEAVING
_COMPLETED, _FAILED, _LOST, _CANCELLED, _TIMED_OUT = (
    EndingKind.COMPLETED,
    EndingKind.FAILED,
    EndingKind.LOST,
    EndingKind.CANCELLED,
    EndingKind.TIMED_OUT,
)
_OUT_OF_TIME, _DECLARED = CancelCause.TIMED_OUT, EnergyMethod.DECLARED
_FEASIBLE = Choice.FEASIBLE


class Lives:
    """The requests and attempts that live now."""

    __slots__ = ("_settings", "_view", "attempts", "fates", "held", "requests", "timers")

    def __init__(self, view: View, settings: SchedulerSettings) -> None:
        self._view = view
        self._settings = settings
        self.requests: dict[str, RequestRecord] = {}
        self.attempts: dict[str, AttemptRecord] = {}
        self.held = HeldQueue()
        self.timers = Timers()
        self.fates = dict.fromkeys(Fate, 0)

    def decide(self, record: RequestRecord, now_s: float, actions: list[Action]) -> bool:
        """Decide for a held request; return whether it found no room anywhere it may go."""
        row = self._view.glance(record, now_s)
        if row is not None:
            state = self._view.states[row]
            self._send(record, state, _unforeseen(record, state), None, 0.0, now_s, actions)
            return False
        need = self._view.need(record, now_s)
        match self._view.decide(record, need, now_s):
            case Go() as go:
                self._dispatch(record, go, need, now_s, actions)
            case Wait(latest_start_at_s, no_room):
                self._hold(record, latest_start_at_s, now_s, actions)
                return no_room
            case Gather() as gather:
                self._gather(record, self._view.states[gather.row], gather, now_s)
            case No(reason, retry_after_s, explanation):
                self._refuse(record, reason, now_s, actions, retry_after_s, explanation)
        return False

    def _dispatch(self, record: RequestRecord, go: Go, need: Need, now_s: float, actions: list[Action]) -> None:
        state = self._view.states[go.row]
        basis, number = basis_of(need, state, now_s, go.cached_tokens), record.attempts + 1
        dispatch = Dispatch(
            request_id=record.request.request_id,
            attempt_id=f"{record.request.request_id}#{number}",
            attempt_number=number,
            server_id=state.server_id,
            reservation=reservation_of(need, state, go.total_s),
            choice=go.choice,
            predicted_total_s=go.total_s,
            predicted_energy_j=charged_energy_j(need, state, basis),
            explanation=go.explanation,
        )
        if record.awaits is not state:
            state.gathering.came(now_s)
        state.gathering.left(basis.prefill_s, now_s)
        self._send(record, state, dispatch, basis, go.exposure, now_s, actions)
        for request_id in list(state.gathering.losses):
            # One that goes with this one takes along those that are left.
            if request_id in state.gathering.losses:
                self.decide(self.requests[request_id], now_s, actions)

    def _send(
        self,
        record: RequestRecord,
        state: ServerState,
        dispatch: Dispatch,
        basis: Basis | None,
        exposure: float,
        now_s: float,
        actions: list[Action],
    ) -> None:
        self.held.remove(record)
        record.attempts += 1
        attempt = attempted(dispatch, record, state, basis, exposure, now_s)
        record.state = after_request(record.state, _DISPATCH)
        record.attempt, record.dispatch = attempt, dispatch
        record.dispatched_at_s = now_s
        record.hold_timer_at_s = inf
        self.attempts[dispatch.attempt_id] = attempt
        state.reserve(dispatch.reservation, attempt.unread_s, attempt.live_tokens, exposure)
        if basis is not None and not record.request.stream:
            state.will_read(basis.prefill_s, now_s)
        self._view.policy.chose(record.request, state.server_id, now_s)
        actions.append(dispatch)

    def _hold(self, record: RequestRecord, latest_start_at_s: float, now_s: float, actions: list[Action]) -> None:
        self.held.remove(record)
        if len(self.held) >= self._settings.max_held:
            self._refuse(record, Refusal.QUEUE_FULL, now_s, actions)
            return
        self.held.add(record, latest_start_at_s)
        self._look_again_at(record, latest_start_at_s)

    def _gather(self, record: RequestRecord, state: ServerState, gather: Gather, now_s: float) -> None:
        if record.awaits is not state:
            state.gathering.came(now_s)
        self.held.gather(record, state, gather.loss_per_s)
        self._look_again_at(record, now_s + gather.wait_s)

    def _look_again_at(self, record: RequestRecord, at_s: float) -> None:
        hold_until_s = record.request.hold_until_s
        at_s = at_s if hold_until_s is None else min(at_s, hold_until_s)
        if at_s < record.hold_timer_at_s:
            record.hold_timer_at_s = at_s
            self.timers.set(at_s, record.request.request_id)

    def pump(self, now_s: float, actions: list[Action]) -> None:
        """Offer free room to the held, most urgent first; once one finds none, its group is not asked again."""
        without_room: set[Group] = set()
        for record in self.held.most_urgent(MOST_AT_ONCE):
            if record.group not in without_room and self.decide(record, now_s, actions):
                without_room.add(record.group)
        self.follow(now_s, actions)

    def follow(self, now_s: float, actions: list[Action]) -> None:
        """Where the policy batches: let those go that it deferred until others went, as long as any do."""
        done = 0
        while self._view.policy.batches and len(self.held) and len(actions) > done:
            done = len(actions)
            for record in self.held.most_urgent(len(self.held)):
                self.decide(record, now_s, actions)

    def look_again(self, record: RequestRecord, now_s: float, actions: list[Action]) -> None:
        """A timer of this request is due: it may be out of time, or out of patience."""
        late = record.service.when_late is _CANCEL_LATE and now_s >= record.deadline_at_s
        if late or now_s >= record.arrived_at_s + record.service.timeout_s:
            if record.state is _HELD:
                self._refuse(record, Refusal.TIMED_OUT, now_s, actions)
            elif record.state is _IN_FLIGHT:
                actions.extend(self.stop(record, CancelCause.LATE if late else _OUT_OF_TIME))
        elif record.state is _HELD:
            record.hold_timer_at_s = inf
            self.decide(record, now_s, actions)

    def stop(self, record: RequestRecord, cause: CancelCause) -> list[Action]:
        """Ask the shell once to stop a request's attempt."""
        if record.attempt is None or record.cancel_cause is not None:
            return []
        record.cancel_cause = cause
        return [Cancel(request_id=record.request.request_id, attempt_id=record.attempt.attempt_id, cause=cause)]

    def note_health(self, attempt: AttemptRecord, ending: Ending, now_s: float) -> None:
        if ending.kind is _COMPLETED:
            attempt.server.succeeded()
        elif (ending.kind is _FAILED or ending.kind is _LOST) and ending.blame_server:
            attempt.server.failed(now_s, self._settings, ending.retry_after_s)
            self.timers.set(attempt.server.cooling_until_s, ANYBODY)

    def settle(self, attempt: AttemptRecord, ending: Ending, now_s: float, actions: list[Action]) -> None:
        """Account for an attempt, then finish its request or let it try elsewhere."""
        record = attempt.owner
        record.attempt = None
        record.transmit_j += ending.transmit_j
        record.infer_j += ending.infer_j or 0.0
        if record.attempts == 1 or ending.energy_method is _DECLARED:
            # Of a mixture the least certain is told.
            record.energy_method = ending.energy_method
        usage, kind = ending.usage, ending.kind
        record.prompt_tokens = usage.prompt_tokens if usage is not None else 0
        record.output_tokens = usage.output_tokens if usage is not None else ending.output_tokens
        if kind is _COMPLETED:
            self.finish(record, _COMPLETE, None, now_s, actions)
        elif record.state is _LEAVING:
            self.finish(record, RequestEvent.CANCEL, None, now_s, actions)
        elif kind is _CANCELLED:
            record.state = after_request(record.state, RequestEvent.CANCEL)
            self.finish(record, RequestEvent.CANCEL, None, now_s, actions)
        elif kind is _TIMED_OUT or record.cancel_cause is not None:
            self.finish(record, _TIME_OUT, None, now_s, actions)
        elif ending.retryable:
            self._fail_over(record, attempt.server.server_id, now_s, actions)
        else:
            self.finish(record, RequestEvent.FAIL, None, now_s, actions)

    def _fail_over(self, record: RequestRecord, server_id: str, now_s: float, actions: list[Action]) -> None:
        record.state = after_request(record.state, RequestEvent.FAIL_OVER)
        record.tried |= {server_id}
        record.first_token_at_s = None
        if record.attempts >= self._settings.max_attempts:
            self._refuse(record, Refusal.ATTEMPTS_EXHAUSTED, now_s, actions)
        else:
            self.decide(record, now_s, actions)

    def _refuse(
        self,
        record: RequestRecord,
        reason: Refusal,
        now_s: float,
        actions: list[Action],
        retry_after_s: float | None = None,
        explanation: Explanation | None = None,
    ) -> None:
        actions.append(
            Refuse(
                request_id=record.request.request_id,
                reason=reason,
                retry_after_s=retry_after_s,
                explanation=explanation,
            )
        )
        event = RequestEvent.FAIL if record.attempts else RequestEvent.REFUSE
        self.finish(record, _TIME_OUT if reason is Refusal.TIMED_OUT else event, reason, now_s, actions)

    def finish(
        self,
        record: RequestRecord,
        event: RequestEvent,
        refusal: Refusal | None,
        now_s: float,
        actions: list[Action],
    ) -> None:
        self.held.remove(record)
        record.state = after_request(record.state, event)
        fate = FATE_OF[record.state]
        del self.requests[record.request.request_id]
        self.timers.clear(record.request.request_id)
        self.fates[fate] += 1
        outcome = outcome_of(record, fate, refusal, now_s)
        self._view.policy.ended(outcome)
        actions.append(Finish(outcome=outcome))


def _unforeseen(record: RequestRecord, state: ServerState) -> Dispatch:
    """Make a dispatch of which nothing was predicted and for which nothing is set aside."""
    request_id, number = record.request.request_id, record.attempts + 1
    return Dispatch(
        request_id=request_id,
        attempt_id=f"{request_id}#{number}",
        attempt_number=number,
        server_id=state.server_id,
        reservation=_NOTHING,
        choice=_FEASIBLE,
        predicted_total_s=None,
        predicted_energy_j=None,
        explanation=None,
    )
