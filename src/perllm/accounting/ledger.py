"""Fold the entries of a run into totals, without asking the scheduler anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from perllm.accounting.idle import IdleAccounting, IdleJoules
from perllm.accounting.result import render
from perllm.accounting.totals import Totals
from perllm.domain.action import Actions, Dispatch, Fate, Finish, Outcome, PowerState, SetPower
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.counts import Counts
from perllm.domain.entry import Entry, Fleet
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service


class _OpenRequest(Struct, gc=False):
    """A request not finished yet: its attempts not closed yet, and the joules of those that are."""

    open_attempts: int = 0
    spent_j: float = 0.0


class Ledger:
    """Add up requests, tokens, seconds and joules: a sink for a `Recording`.

    `servers` and `services` may also come with the first `configure` entry; `truthful` ones are as they really are, so
    that what entries say of them is only believed. What cannot be (a request that ends twice, an attempt closed that
    is not open) is not counted but makes the result's `laws` false.
    """

    def __init__(
        self,
        servers: Iterable[Server],
        started_at_s: float,
        idle: IdleAccounting = IdleAccounting.ALL,
        services: Iterable[Service] = (),
        *,
        truthful: bool = False,
    ) -> None:
        self._truthful = truthful
        self._totals = Totals(idle=idle)
        self._requests: dict[str, _OpenRequest] = {}
        self._attempts: dict[str, tuple[float, Dispatch]] = {}
        self._totals.configure(Fleet(servers=tuple(servers), services=tuple(services)), started_at_s)

    def __call__(self, entry: Entry) -> None:
        """Take in one entry. Entries come in the order of their instants."""
        value = entry.value
        if isinstance(value, Request):
            self.submitted(value, entry.at_s)
        elif isinstance(value, Ending):
            self.closed(entry.subject, value, entry.at_s)
        elif isinstance(value, Fleet) and not self._truthful:
            self._totals.configure(value, entry.at_s)
        self.acted(entry.actions, entry.at_s)

    def submitted(self, request: Request, at_s: float) -> None:
        """Count an arrival."""
        if request.request_id in self._requests:
            self._totals.stray_requests += 1
            return
        self._requests[request.request_id] = _OpenRequest()
        self._totals.submit(request.service, at_s)

    def closed(self, attempt_id: str, ending: Ending, at_s: float) -> None:
        """Count the end of an attempt."""
        opened = self._attempts.pop(attempt_id, None)
        if opened is None:
            self._totals.stray_attempts += 1
            return
        dispatched_at_s, dispatch = opened
        self._totals.servers[dispatch.server_id].close(ending)
        request = self._requests.get(dispatch.request_id)
        if request is not None:
            request.open_attempts -= 1
            request.spent_j += ending.transmit_j + (ending.infer_j or 0.0)
        if ending.kind is EndingKind.COMPLETED:
            self._totals.learn(dispatch, at_s - dispatched_at_s, ending)

    def acted(self, actions: Actions, at_s: float) -> None:
        """Count what was done."""
        for action in actions:
            if isinstance(action, Finish):
                self._finish(action.outcome)
            elif isinstance(action, Dispatch):
                self._dispatch(action, at_s)
            elif isinstance(action, SetPower):
                self._totals.power(action.server_id, action.state is PowerState.AWAKE, at_s)

    def counts(self) -> Counts:
        """Return where all requests are, from the entries alone."""
        totals = self._totals
        in_flight = sum(request.open_attempts > 0 for request in self._requests.values())
        return Counts(
            submitted=totals.submitted,
            completed=totals.of_fate(Fate.COMPLETED),
            failed=totals.of_fate(Fate.FAILED),
            timed_out=totals.of_fate(Fate.TIMED_OUT),
            cancelled=totals.of_fate(Fate.CANCELLED),
            refused=totals.of_fate(Fate.REFUSED),
            held=len(self._requests) - in_flight,
            in_flight=in_flight,
        )

    def result(
        self,
        *,
        scenario: str,
        policy: str,
        seed: int | None,
        finished_at_s: float,
        server_joules: Mapping[str, float] | None = None,
        foreign_joules: Mapping[str, float] | None = None,
        idle_joules: Mapping[str, IdleJoules] | None = None,
        timing: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the result object: plain values, ready for JSON; what is not known is None.

        `server_joules` is what each server's meter counted above idle, less the `foreign_joules` that it counted for
        others: attempts' joules are checked against it.
        `idle_joules` is what it counted of idling, in place of idle watts times the time in the fleet.
        """
        self._totals.advance_idle(finished_at_s, idle_joules)
        counts = self.counts()
        laws = {
            "requests_conserved": not self._totals.stray_requests and counts.submitted == counts.accounted,
            "attempts_closed_once": not self._totals.stray_attempts,
            "energy_conserved": self._totals.energy_conserved(
                owed_j=sum(request.spent_j for request in self._requests.values()),
                server_joules=server_joules,
                foreign_joules=foreign_joules,
            ),
        }
        return {
            "scenario": scenario,
            "policy": policy,
            "seed": seed,
            **render(self._totals),
            "settings": {**(settings or {}), "idle": self._totals.idle.value},
            "laws": laws,
            "timing": dict(timing or {}),
        }

    def _dispatch(self, dispatch: Dispatch, at_s: float) -> None:
        request = self._requests.get(dispatch.request_id)
        if request is None or dispatch.attempt_id in self._attempts:
            self._totals.stray_attempts += 1
            return
        request.open_attempts += 1
        self._attempts[dispatch.attempt_id] = (at_s, dispatch)
        self._totals.servers[dispatch.server_id].open()

    def _finish(self, outcome: Outcome) -> None:
        request = self._requests.pop(outcome.request_id, None)
        if request is None or request.open_attempts:
            self._totals.stray_requests += 1
        if request is not None:
            self._totals.finish(outcome)
