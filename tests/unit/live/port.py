"""A brain that answers as told and remembers what it was told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perllm.domain.action import Actions, Cancel, CancelCause, Dispatch, Fate, Finish, Outcome, Refuse, Reservation
from perllm.domain.attempt import Ending, Progress
from perllm.domain.counts import Counts
from perllm.domain.energy import Energy, EnergyMethod
from perllm.domain.explanation import Explanation
from perllm.domain.reason import Choice, Refusal
from perllm.domain.request import Request, Requirement
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.domain.telemetry import Fact
from perllm.scheduling.learned import Learned

Event = tuple[Any, ...]


class ScriptedPort:
    """Answers the next event with `answers`, once; asks for `wake_at_s`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answers: list[Actions] = []
        self.endings: list[Ending] = []
        self.wake_at_s: float | None = None
        self.report_every_s = 1.0
        self.held = 0

    def submit(self, request: Request, now_s: float) -> Actions:
        return self._told("submit", request.request_id, now_s)

    def progress(self, attempt_id: str, progress: Progress, now_s: float) -> Actions:
        return self._told("progress", attempt_id, now_s)

    def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions:
        self.endings.append(ending)
        return self._told("close", attempt_id, ending.kind, now_s)

    def cancel(self, request_id: str, now_s: float) -> Actions:
        return self._told("cancel", request_id, now_s)

    def observe(self, fact: Fact, now_s: float) -> Actions:
        return self._told("observe", fact, now_s)

    def configure(self, servers: Sequence[Server], services: Sequence[Service], now_s: float) -> Actions:
        return self._told("configure", now_s)

    def wake(self, now_s: float) -> Actions:
        self.wake_at_s = None
        return self._told("wake", now_s)

    def counts(self) -> Counts:
        return Counts(held=self.held)

    def snapshot(self) -> Learned:
        return Learned()

    def absorb(self, learned: Learned) -> None:
        raise NotImplementedError

    def _told(self, *event: object) -> Actions:
        self.events.append(event)
        return self.answers.pop(0) if self.answers else ()

    def kinds(self) -> list[object]:
        """Return the events without their instants."""
        return [event[:-1] for event in self.events]


def request(request_id: str) -> Request:
    return Request(
        request_id=request_id, service="chat", model="m", requirement=Requirement(), payload_bytes=1, prompt_bytes=1
    )


def dispatch(request_id: str, number: int = 1) -> Dispatch:
    return Dispatch(
        request_id=request_id,
        attempt_id=f"{request_id}#{number}",
        attempt_number=number,
        server_id="edge",
        reservation=Reservation(kv_tokens=1, bytes_per_s=1.0),
        choice=Choice.FEASIBLE,
        predicted_total_s=1.0,
        predicted_energy_j=1.0,
        explanation=Explanation(
            policy="none",
            server_ids=(),
            total_s=(),
            first_token_s=(),
            in_time_probability=(),
            energy_j=(),
            violations=(),
        ),
    )


def refuse(request_id: str) -> Refuse:
    return Refuse(request_id=request_id, reason=Refusal.QUEUE_FULL, retry_after_s=None, explanation=None)


def cancel(request_id: str, cause: CancelCause = CancelCause.TIMED_OUT) -> Cancel:
    return Cancel(request_id=request_id, attempt_id=f"{request_id}#1", cause=cause)


def finish(request_id: str, fate: Fate = Fate.COMPLETED) -> Finish:
    return Finish(
        outcome=Outcome(
            request_id=request_id,
            service="chat",
            fate=fate,
            refusal=None,
            server_id=None,
            attempts=1,
            arrived_at_s=0.0,
            dispatched_at_s=None,
            first_token_at_s=None,
            finished_at_s=0.0,
            requirement=Requirement(),
            in_time=True,
            counted=True,
            prompt_tokens=0,
            output_tokens=0,
            energy=Energy(),
            energy_method=EnergyMethod.DECLARED,
            predicted_total_s=None,
            predicted_energy_j=None,
        )
    )
