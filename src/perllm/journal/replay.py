"""Take a journal's decisions again, and see whether they are the same (law 4)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from perllm.domain.action import Action, Actions, Cancel, Dispatch, Finish, Refuse, SetPower
from perllm.domain.attempt import Ending, Progress
from perllm.domain.entry import Entry, EventKind, Fleet
from perllm.domain.request import Request
from perllm.errors import ConfigError, PerLLMError
from perllm.journal.header import Origin, origin_of
from perllm.journal.recording import Port
from perllm.journal.store import read_numbered
from perllm.scheduling.policies import contender_of, make_policy
from perllm.scheduling.scheduler import Scheduler

Decision = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """An entry whose decisions came out otherwise. `error`: the scheduler rejected the event."""

    sequence: int
    entry: Entry
    recorded: tuple[Decision, ...]
    replayed: tuple[Decision, ...]
    error: str | None = None


@dataclass(slots=True, kw_only=True)
class Verification:
    """How many entries were replayed, how many decisions they held, and how many entries decided otherwise.

    It ends before an entry that the journal lost (`gap_at`, its sequence number), and with the first event that
    the scheduler rejects: beyond, nothing can be verified.
    """

    entries: int = 0
    decisions: int = 0
    mismatches: int = 0
    first_mismatch: Mismatch | None = None
    gap_at: int | None = None

    def compare(self, sequence: int, entry: Entry, port: Port) -> bool:
        """Replay one entry; False if the scheduler rejected it."""
        recorded, error = decisions_of(entry.actions), None
        try:
            replayed = decisions_of(tell(port, entry))
        except PerLLMError as rejection:
            replayed, error = (), str(rejection)
        self.entries += 1
        self.decisions += len(recorded)
        if recorded != replayed or error is not None:
            self.mismatches += 1
            self.first_mismatch = self.first_mismatch or Mismatch(
                sequence=sequence, entry=entry, recorded=recorded, replayed=replayed, error=error
            )
        return error is None


def verify(path: Path, run: int | None = None) -> Verification:
    """Replay a run's events through a fresh scheduler and compare its decisions with those recorded.

    Decisions are dispatches (request, attempt, server), refusals with their reason, cancels with their cause and
    changes of power. Raises ConfigError for what is no journal, or one that does not tell how to replay it.
    """
    header, numbered = read_numbered(path, run)
    first = next(numbered, None)
    if first is None or not isinstance(first[1].value, Fleet):
        raise ConfigError(
            "the journal does not begin with its fleet, so its decisions cannot be taken again",
            file=str(path),
            remedy="Configure the scheduler through its recording before the first request.",
        )
    scheduler, result = scheduler_of(origin_of(header), first[1].value), Verification()
    for expected, (sequence, entry) in enumerate(chain((first,), numbered)):
        if sequence != expected:
            result.gap_at = expected
            break
        if not result.compare(sequence, entry, scheduler):
            break
    return result


def scheduler_of(origin: Origin, fleet: Fleet) -> Scheduler:
    """Build a scheduler as a journal's header says, before its first event."""
    contender = contender_of(origin.policy)
    scheduler = Scheduler(
        servers=fleet.servers,
        services=fleet.services,
        policy=make_policy(contender),
        rng=np.random.default_rng(origin.seed),
        settings=contender.settings(origin.settings),
    )
    if origin.learned is not None:
        scheduler.absorb(origin.learned)
    return scheduler


def tell(port: Port, entry: Entry) -> Actions:
    """Tell the brain a recorded event and return what it does now."""
    at_s, subject = entry.at_s, entry.subject
    match entry.value:
        case Request() as request:
            return port.submit(request, at_s)
        case Progress() as progress:
            return port.progress(subject, progress, at_s)
        case Ending() as ending:
            return port.close(subject, ending, at_s)
        case Fleet(servers=servers, services=services):
            return port.configure(servers, services, at_s)
        case None:
            return port.cancel(subject, at_s) if entry.kind is EventKind.CANCEL else port.wake(at_s)
        case fact:
            return port.observe(fact, at_s)


def decisions_of(actions: Actions) -> tuple[Decision, ...]:
    """Return the decisions among actions, without estimates and explanations."""
    return tuple(decision for action in actions if (decision := _decision(action)))


def _decision(action: Action) -> Decision | None:
    match action:
        case Dispatch():
            return "dispatch", action.request_id, action.attempt_id, action.server_id
        case Refuse():
            return "refuse", action.request_id, action.reason.value
        case Cancel():
            return "cancel", action.attempt_id, action.cause.value
        case SetPower():
            return "power", action.server_id, action.state.value
        case Finish():
            return None
