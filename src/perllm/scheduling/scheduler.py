"""The whole port between a shell and the brain: events in, actions out.

Two rules. The scheduler is told everything, the time included: it never asks, waits, sleeps, logs or calls back. And
every request that goes in comes out exactly once, as a Finish; every attempt it dispatches must be closed exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np

from perllm.domain.action import (
    Action,
    Actions,
    CancelCause,
    Reservation,
)
from perllm.domain.attempt import Ending, Progress, Stage
from perllm.domain.counts import Counts
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service, WhenLate
from perllm.domain.telemetry import Fact
from perllm.errors import InvariantError
from perllm.scheduling.learned import Learned
from perllm.scheduling.life import AttemptEvent, RequestEvent, RequestState, after_attempt, after_request
from perllm.scheduling.lives import Lives
from perllm.scheduling.policy import Policy
from perllm.scheduling.powering import Power
from perllm.scheduling.records import arrived
from perllm.scheduling.settings import SchedulerSettings
from perllm.scheduling.teaching import lesson_of, teach
from perllm.scheduling.view import View

# How often a stream's tokens are worth telling to a policy that watches.
REPORT_EVERY_S = 1.0

# Looking a member up in its enumeration costs as much as three calls where that is done for every request.
_CANCEL_LATE = WhenLate.CANCEL
_FIRST_TOKEN_STAGE = Stage.FIRST_TOKEN
_FIRST_TOKEN, _TOKENS, _CLOSE = AttemptEvent.FIRST_TOKEN, AttemptEvent.TOKENS, AttemptEvent.CLOSE


class Scheduler:
    """Sends every request to the server that the policy likes best among those that can serve it in time."""

    def __init__(
        self,
        *,
        servers: Sequence[Server],
        services: Sequence[Service],
        policy: Policy,
        rng: np.random.Generator,
        settings: SchedulerSettings | None = None,
    ) -> None:
        self._settings = settings or SchedulerSettings()
        self._view = View(servers=servers, services=services, policy=policy, settings=self._settings, rng=rng)
        self._lives = Lives(self._view, self._settings)
        sleeps = policy.sleeps if self._settings.power is None else self._settings.power
        self._power = Power(self._view, self._lives.timers) if sleeps else None
        self._submitted = 0
        # Told to nobody, a lesson need not be written: for every attempt that would be its dozen figures.
        self._learns = type(policy).learn is not Policy.learn

    # ---- events -------------------------------------------------------------------------------------------------

    def submit(self, request: Request, now_s: float) -> Actions:
        """A request has arrived."""
        lives, request_id = self._lives, request.request_id
        if request_id in lives.requests:
            raise InvariantError(f"request {request_id} was submitted twice")
        service = self._view.service(request.service)
        self._submitted += 1
        lives.requests[request_id] = record = arrived(request, service, self._submitted, now_s)
        lives.timers.set(now_s + service.timeout_s, request_id)
        if service.when_late is _CANCEL_LATE and record.deadline_at_s < inf:
            lives.timers.set(record.deadline_at_s, request_id)
        actions: list[Action] = []
        if self._power is not None:
            self._power.hear(record)
        lives.decide(record, now_s, actions)
        if self._view.policy.batches:
            lives.follow(now_s, actions)
        return self._powered(now_s, actions)

    def progress(self, attempt_id: str, progress: Progress, now_s: float) -> Actions:
        """An attempt has moved on."""
        attempt = self._lives.attempts.get(attempt_id)
        if attempt is None:
            raise InvariantError(f"attempt {attempt_id} is not open")
        if progress.stage is _FIRST_TOKEN_STAGE:
            attempt.state = after_attempt(attempt.state, _FIRST_TOKEN)
            attempt.first_token_at_s = now_s
            attempt.owner.first_token_at_s = now_s
            attempt.server.has_read(attempt.unread_s)
            attempt.unread_s = 0.0
        else:
            attempt.state = after_attempt(attempt.state, _TOKENS)
        return ()

    def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions:
        """An attempt has ended. Its server's room goes to whoever is most urgent."""
        attempt = self._lives.attempts.pop(attempt_id, None)
        if attempt is None:
            raise InvariantError(f"attempt {attempt_id} is not open: closed twice, or never dispatched")
        attempt.state = after_attempt(attempt.state, _CLOSE)
        server, lives = attempt.server, self._lives
        if attempt.unread_s > 0.0 or server.ready_in_s > 0.0:
            server.has_read(attempt.unread_s)
        server.release(attempt.reservation, attempt.live_tokens, attempt.exposure)
        cached_tokens = self._view.closed(attempt, ending, now_s)
        energy_ratio = teach(attempt, ending, self._view.lengths(attempt.owner.service.name), now_s, cached_tokens)
        if self._learns:
            self._view.policy.learn(lesson_of(attempt, ending, energy_ratio, now_s))
        if self._power is not None:
            self._power.learn(attempt, ending, now_s)
        lives.note_health(attempt, ending, now_s)
        actions: list[Action] = []
        lives.settle(attempt, ending, now_s, actions)
        if lives.held.keys:
            lives.pump(now_s, actions)
        return self._powered(now_s, actions)

    def cancel(self, request_id: str, now_s: float) -> Actions:
        """The client has left."""
        record = self._lives.requests.get(request_id)
        if record is None or record.state is RequestState.LEAVING:
            return ()
        if record.attempt is None:
            actions: list[Action] = []
            self._lives.finish(record, RequestEvent.CANCEL, None, now_s, actions)
            return actions
        record.state = after_request(record.state, RequestEvent.CANCEL)
        return self._lives.stop(record, CancelCause.CLIENT_LEFT)

    def observe(self, fact: Fact, now_s: float) -> Actions:
        """A probe has answered."""
        state = self._view.server(fact.server_id)
        actions: list[Action] = []
        if state is not None and state.probed(fact if self._power is None else self._power.heed(fact)):
            self._lives.pump(now_s, actions)
        if state is not None and (fact.ready_in_s > 0.0 or not state.healthy) and self._view.sessions is not None:
            self._view.sessions.forget(state.server_id)
        return self._powered(now_s, actions)

    def configure(self, servers: Sequence[Server], services: Sequence[Service], now_s: float) -> Actions:
        """The fleet or the services have changed; requests already in flight run on as they were."""
        self._view.configure(servers, services)
        for record in self._lives.requests.values():
            record.service = self._view.renewed(record.service)
        if self._power is not None:
            self._power.reconfigured()
        actions: list[Action] = []
        self._lives.pump(now_s, actions)
        return self._powered(now_s, actions)

    def wake(self, now_s: float) -> Actions:
        """An instant that was asked for has come."""
        actions: list[Action] = []
        for owner in self._lives.timers.due(now_s):
            record = self._lives.requests.get(owner)
            if record is not None:
                self._lives.look_again(record, now_s, actions)
            else:
                self._lives.pump(now_s, actions)
        self._lives.follow(now_s, actions)
        return self._powered(now_s, actions)

    def _powered(self, now_s: float, actions: list[Action]) -> list[Action]:
        """Add what servers are to be told about sleeping."""
        if self._power is not None and self._power.acts:
            self._power.settle(now_s, actions)
        return actions

    # ---- facts --------------------------------------------------------------------------------------------------

    @property
    def wake_at_s(self) -> float | None:
        """The next instant at which `wake` is wanted."""
        return self._lives.timers.next_at_s

    @property
    def report_every_s(self) -> float:
        """How often somebody wants to hear how many tokens a stream has: infinite where nobody listens."""
        return REPORT_EVERY_S if self._view.policy.watches else inf

    @property
    def sleeps(self) -> bool:
        """Whether servers that obey commands are sent to sleep."""
        return self._power is not None

    def counts(self) -> Counts:
        """Return where all requests are."""
        return Counts(
            submitted=self._submitted,
            **{fate.value: count for fate, count in self._lives.fates.items()},
            held=len(self._lives.held),
            in_flight=len(self._lives.requests) - len(self._lives.held),
        )

    def reservations(self) -> Mapping[str, Reservation]:
        """Return the cache tokens and bandwidth held on each server."""
        return self._view.reservations()

    def outstanding(self) -> Mapping[str, int]:
        """Return the open attempts on each server."""
        return self._view.outstanding()

    def snapshot(self) -> Learned:
        """Return everything learned, as values."""
        return self._view.snapshot()

    def absorb(self, learned: Learned) -> None:
        """Take over what an earlier snapshot holds."""
        self._view.absorb(learned)
