"""A brain that decides nothing: it does again what was done, when it was done; the world says how long that takes.

Attempts that were completed go on until the world completes them. All others are stopped when they ended, whatever
ended them: a failure, a time limit, a client that left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import inf

from perllm.domain.action import Actions, Cancel, CancelCause, Fate, Finish, Outcome
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage
from perllm.domain.counts import Counts
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.domain.telemetry import Fact
from perllm.scheduling.learned import Learned
from perllm.scheduling.outcomes import outcome_of
from perllm.scheduling.records import RequestRecord, arrived
from perllm.simulation.counterfactual.past import Lived, Past, Tried

_Step = Callable[[float], Actions]
# Who gives up at an instant does so after all else.
_LAST = 1 << 62


class Script:
    """Stands where a scheduler would."""

    report_every_s = inf

    def __init__(self, past: Past) -> None:
        self._past = past
        self._lived = {lived.request.request_id: lived for lived in past.lived}
        self._services = {service.name: service for service in past.fleet.services}
        self._records: dict[str, RequestRecord] = {}
        self._open: dict[str, tuple[RequestRecord, Tried]] = {}
        self._steps: list[tuple[float, int, int, _Step]] = []
        self._along: dict[str, list[_Step]] = {}
        self._numbers = count()
        self._ended: dict[Fate, int] = dict.fromkeys(Fate, 0)

    @property
    def wake_at_s(self) -> float | None:
        """The instant of the next thing to do."""
        return self._steps[0][0] if self._steps else None

    def submit(self, request: Request, now_s: float) -> Actions:
        """Plan all that was done for a request; do what was done at once."""
        lived = self._lived[request.request_id]
        service = self._services[request.service]
        record = arrived(request, service, len(self._records), now_s)
        self._records[request.request_id] = record
        for tried in lived.tried:
            step: _Step = partial(self._dispatch, record, tried)
            if tried.along_with is None:
                self._plan(tried.dispatched_at_s, step, tried.order)
            else:
                self._along.setdefault(tried.along_with, []).append(step)
            if not tried.completed:
                self._plan(self._end_of(tried), partial(self._stop, tried), tried.ended_order)
        if not any(tried.completed for tried in lived.tried):
            self._plan(self._end_of(lived), partial(self._give_up, record, lived.outcome), _LAST)
        actions = list(self.wake(now_s)) if self._steps and self._steps[0][0] <= now_s else []
        for taken_along in self._along.pop(request.request_id, ()):
            actions.extend(taken_along(now_s))
        return actions

    def wake(self, now_s: float) -> Actions:
        """Do the next thing."""
        *_, step = heappop(self._steps)
        return step(now_s)

    def progress(self, attempt_id: str, progress: Progress, now_s: float) -> Actions:
        """Note a first token."""
        if progress.stage is Stage.FIRST_TOKEN and attempt_id in self._open:
            self._open[attempt_id][0].first_token_at_s = now_s
        return ()

    def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions:
        """Note what an attempt took; the request is over if this was the attempt that completed it."""
        record, tried = self._open.pop(attempt_id)
        record.transmit_j += ending.transmit_j
        record.infer_j += ending.infer_j or 0.0
        record.energy_method = ending.energy_method
        record.prompt_tokens = ending.usage.prompt_tokens if ending.usage else 0
        record.output_tokens = ending.usage.output_tokens if ending.usage else ending.output_tokens
        if not tried.completed:
            return ()
        fate = Fate.COMPLETED if ending.kind is EndingKind.COMPLETED else Fate.FAILED
        return (self._finish(record, fate, None, now_s),)

    def cancel(self, request_id: str, now_s: float) -> Actions:
        """Nobody leaves but by the script."""
        return ()

    def observe(self, fact: Fact, now_s: float) -> Actions:
        """What is known of servers moves nothing here."""
        return ()

    def configure(self, servers: Sequence[Server], services: Sequence[Service], now_s: float) -> Actions:
        """The fleet is the one that the script was written for."""
        return ()

    def counts(self) -> Counts:
        """Return where all requests are."""
        running = {record.request.request_id for record, _ in self._open.values()}
        over = sum(self._ended.values())
        return Counts(
            submitted=len(self._records),
            **{fate.value: ended for fate, ended in self._ended.items()},
            held=len(self._records) - over - len(running),
            in_flight=len(running),
        )

    def snapshot(self) -> Learned:
        """Nothing is learned."""
        return Learned()

    def absorb(self, learned: Learned) -> None:
        """Nothing that was learned matters."""

    def _plan(self, at_s: float, step: _Step, order: int) -> None:
        heappush(self._steps, (at_s, order, next(self._numbers), step))

    def _end_of(self, one: Tried | Lived) -> float:
        at_s = one.ended_at_s if isinstance(one, Tried) else one.finished_at_s
        return self._past.ended_at_s if at_s is None else at_s

    def _dispatch(self, record: RequestRecord, tried: Tried, now_s: float) -> Actions:
        dispatch = tried.dispatch
        record.attempts += 1
        record.dispatch, record.dispatched_at_s, record.first_token_at_s = dispatch, now_s, None
        self._open[dispatch.attempt_id] = (record, tried)
        return (dispatch,)

    def _stop(self, tried: Tried, now_s: float) -> Actions:
        """Stop an attempt, unless the world has ended it before."""
        dispatch = tried.dispatch
        if dispatch.attempt_id not in self._open:
            return ()
        left = tried.ending is None or tried.ending.kind is EndingKind.CANCELLED
        cause = CancelCause.CLIENT_LEFT if left else CancelCause.TIMED_OUT
        return (Cancel(request_id=dispatch.request_id, attempt_id=dispatch.attempt_id, cause=cause),)

    def _give_up(self, record: RequestRecord, outcome: Outcome | None, now_s: float) -> Actions:
        """End a request that was never completed, as it ended."""
        fate = Fate.CANCELLED if outcome is None else outcome.fate
        return (self._finish(record, fate, outcome, now_s),)

    def _finish(self, record: RequestRecord, fate: Fate, outcome: Outcome | None, now_s: float) -> Finish:
        self._ended[fate] += 1
        return Finish(outcome=outcome_of(record, fate, outcome.refusal if outcome else None, now_s))
