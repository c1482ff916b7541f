"""Read entries as moments in the lives of requests and attempts: what began, waited or ended, with what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from perllm.domain.action import Action, Dispatch, Finish, Outcome, PowerState, SetPower
from perllm.domain.attempt import Ending, Progress, Stage
from perllm.domain.entry import Entry, Fleet
from perllm.domain.request import Request


@dataclass(slots=True, kw_only=True, eq=False)
class OpenRequest:
    """A request that is not over. `held_since_s`: it has waited for a server since then."""

    request: Request
    open_attempts: int = 0
    held_since_s: float | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class OpenAttempt:
    """An attempt that is not over."""

    owner: OpenRequest
    dispatch: Dispatch
    dispatched_at_s: float
    first_token_at_s: float | None = None


class Arrived(NamedTuple):
    """A request came."""

    request: OpenRequest


class Held(NamedTuple):
    """A request was not sent at once, or lost its server, and waits."""

    request: OpenRequest


class Released(NamedTuple):
    """A request waits no longer: it was sent to a server (`dispatch`), or is over (`outcome`)."""

    request: OpenRequest
    since_s: float
    dispatch: Dispatch | None = None
    outcome: Outcome | None = None


class Sent(NamedTuple):
    """An attempt began."""

    attempt: OpenAttempt


class Closed(NamedTuple):
    """An attempt ended, and with it perhaps its request (`outcome`)."""

    attempt: OpenAttempt
    ending: Ending
    outcome: Outcome | None


class Over(NamedTuple):
    """A request ended."""

    outcome: Outcome


class Reconfigured(NamedTuple):
    """The fleet is another from now on."""

    fleet: Fleet


class Powered(NamedTuple):
    """A server was woken or sent to sleep."""

    server_id: str
    awake: bool


Moment = Arrived | Held | Released | Sent | Closed | Over | Reconfigured | Powered


class Lives:
    """The requests and attempts that are open, as far as the entries tell.

    What cannot be (an attempt closed that is not open) is passed over: that is for the ledger to tell.
    """

    def __init__(self) -> None:
        self.requests: dict[str, OpenRequest] = {}
        self.attempts: dict[str, OpenAttempt] = {}

    def moments(self, entry: Entry) -> list[Moment]:
        """Take in one entry and return what it tells, in order, all at its instant."""
        told: list[Moment] = []
        touched = self._hear(entry, told)
        for action in entry.actions:
            self._act(action, entry.at_s, told)
        if touched is not None and touched.open_attempts == 0 and touched.request.request_id in self.requests:
            touched.held_since_s = entry.at_s
            told.append(Held(touched))
        return told

    def _hear(self, entry: Entry, told: list[Moment]) -> OpenRequest | None:
        """Take in the event and return the request that it concerns, if it may wait from now on."""
        value = entry.value
        if isinstance(value, Progress):
            self._progress(entry.subject, value, entry.at_s)
        elif isinstance(value, Request):
            return self._submit(value, told)
        elif isinstance(value, Ending):
            return self._close(entry, value, told)
        elif isinstance(value, Fleet):
            told.append(Reconfigured(value))
        return None

    def _progress(self, attempt_id: str, progress: Progress, at_s: float) -> None:
        attempt = self.attempts.get(attempt_id)
        if attempt is not None and progress.stage is Stage.FIRST_TOKEN and attempt.first_token_at_s is None:
            attempt.first_token_at_s = at_s

    def _submit(self, request: Request, told: list[Moment]) -> OpenRequest | None:
        if request.request_id in self.requests:
            return None
        opened = self.requests[request.request_id] = OpenRequest(request=request)
        told.append(Arrived(opened))
        return opened

    def _close(self, entry: Entry, ending: Ending, told: list[Moment]) -> OpenRequest | None:
        attempt = self.attempts.pop(entry.subject, None)
        if attempt is None:
            return None
        attempt.owner.open_attempts -= 1
        told.append(Closed(attempt, ending, _outcome_of(attempt.dispatch.request_id, entry)))
        return attempt.owner

    def _act(self, action: Action, at_s: float, told: list[Moment]) -> None:
        match action:
            case Dispatch():
                self._dispatch(action, at_s, told)
            case Finish():
                self._finish(action.outcome, told)
            case SetPower():
                told.append(Powered(action.server_id, action.state is PowerState.AWAKE))
            case _:
                pass

    def _dispatch(self, dispatch: Dispatch, at_s: float, told: list[Moment]) -> None:
        owner = self.requests.get(dispatch.request_id)
        if owner is None or dispatch.attempt_id in self.attempts:
            return
        if owner.held_since_s is not None:
            told.append(Released(owner, owner.held_since_s, dispatch=dispatch))
            owner.held_since_s = None
        owner.open_attempts += 1
        attempt = OpenAttempt(owner=owner, dispatch=dispatch, dispatched_at_s=at_s)
        self.attempts[dispatch.attempt_id] = attempt
        told.append(Sent(attempt))

    def _finish(self, outcome: Outcome, told: list[Moment]) -> None:
        request = self.requests.pop(outcome.request_id, None)
        if request is None:
            return
        if request.held_since_s is not None:
            told.append(Released(request, request.held_since_s, outcome=outcome))
        told.append(Over(outcome))


def _outcome_of(request_id: str, entry: Entry) -> Outcome | None:
    outcomes = (action.outcome for action in entry.actions if isinstance(action, Finish))
    return next((outcome for outcome in outcomes if outcome.request_id == request_id), None)
