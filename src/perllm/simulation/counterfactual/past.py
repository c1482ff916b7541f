"""What a journal tells of its requests: when they came, what was tried for each of them, and how that ended.

Instants count from the journal's first entry, except those inside outcomes, which are as they were recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from msgspec.structs import replace

from perllm.domain.action import Actions, Dispatch, Finish, Outcome
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage
from perllm.domain.entry import Entry, EventKind, Fleet
from perllm.domain.request import Request
from perllm.domain.telemetry import Health
from perllm.errors import ConfigError
from perllm.journal.header import Header, Origin, origin_of
from perllm.journal.store import Numbered, read_numbered


@dataclass(slots=True, kw_only=True)
class Tried:
    """One attempt. `tokens` were seen of it; without an `ending` it was still open when the journal ended.

    `along_with` is the request whose arrival sent it, where it had been held until then. Of what happened at one
    instant, the orders say in which.
    """

    dispatch: Dispatch
    dispatched_at_s: float
    along_with: str | None = None
    order: int = 0
    ended_order: int = 0
    tokens: int = 0
    ended_at_s: float | None = None
    ending: Ending | None = None

    @property
    def completed(self) -> bool:
        """Whether it brought its answer to the end."""
        return self.ending is not None and self.ending.kind is EndingKind.COMPLETED


@dataclass(slots=True, kw_only=True)
class Lived:
    """One request, in the order of its attempts. Without an `outcome` it was not over when the journal ended."""

    request: Request
    arrived_at_s: float
    tried: list[Tried] = field(default_factory=list)
    left_at_s: float | None = None
    outcome: Outcome | None = None
    finished_at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """All of a run. `fleets` counts how often servers or services were set; only the first are kept.

    `began_at_s` is the instant of the first entry by the recording's own clock. `lost_entries` are missing in the
    journal: what they told is not known.
    """

    origin: Origin
    fleet: Fleet
    began_at_s: float
    lived: Sequence[Lived]
    health: Sequence[Health]
    ended_at_s: float
    fleets: int = 1
    lost_entries: int = 0


def read_past(path: Path, run: int | None = None) -> Past:
    """Read a journal's latest run, or the one numbered `run`; ConfigError if it is no journal, or begins amiss."""
    header, numbered = read_numbered(path, run)
    return past_of(header, numbered, str(path))


def past_of(header: Header, numbered: Iterable[Numbered], source: str | None = None) -> Past:
    """Fold entries, each with its sequence number; ConfigError if the first is not the fleet."""
    told = iter(numbered)
    first = next(told, None)
    if first is None or not isinstance(first[1].value, Fleet):
        raise ConfigError(
            "the journal does not begin with its fleet, so nobody knows what served it",
            file=source,
            remedy="Replay journals that were written by `perllm serve` or `perllm simulate`.",
        )
    reader = _Reader(first[1].at_s)
    expected, lost = first[0] + 1, first[0]
    for sequence, entry in told:
        lost += sequence - expected
        expected = sequence + 1
        reader.read(entry)
    return Past(
        origin=origin_of(header),
        fleet=first[1].value,
        began_at_s=first[1].at_s,
        lived=tuple(reader.lived.values()),
        health=tuple(reader.health),
        ended_at_s=reader.now_s,
        fleets=reader.fleets,
        lost_entries=lost,
    )


class _Reader:
    """Puts entries where they belong. What belongs to nothing, because entries were lost, is left out."""

    def __init__(self, began_at_s: float) -> None:
        self._began_at_s = began_at_s
        self._tried: dict[str, Tried] = {}
        self._happened = count()
        self.now_s = 0.0
        self.lived: dict[str, Lived] = {}
        self.health: list[Health] = []
        self.fleets = 1

    def read(self, entry: Entry) -> None:
        self.now_s = entry.at_s - self._began_at_s
        match entry.value:
            case Request() as request:
                self.lived[request.request_id] = Lived(request=request, arrived_at_s=self.now_s)
            case Progress() as progress:
                self._progress(entry.subject, progress)
            case Ending() as ending:
                self._close(entry.subject, ending)
            case Health() as health:
                self.health.append(health)
            case Fleet():
                self.fleets += 1
            case None if entry.kind is EventKind.CANCEL and entry.subject in self.lived:
                self.lived[entry.subject].left_at_s = self.now_s
        self._note(entry.actions, entry.value.request_id if isinstance(entry.value, Request) else None)

    def _progress(self, attempt_id: str, progress: Progress) -> None:
        tried = self._tried.get(attempt_id)
        if tried is not None:
            tried.tokens = max(tried.tokens, progress.tokens, int(progress.stage is Stage.FIRST_TOKEN))

    def _close(self, attempt_id: str, ending: Ending) -> None:
        tried = self._tried.get(attempt_id)
        if tried is not None:
            tried.tokens = max(tried.tokens, ending.output_tokens)
            tried.ending, tried.ended_at_s, tried.ended_order = ending, self.now_s, next(self._happened)

    def _note(self, actions: Actions, arrived: str | None) -> None:
        for action in actions:
            match action:
                case Dispatch() if action.request_id in self.lived:
                    # Explanations are many times the rest.
                    dispatch = replace(action, explanation=None)
                    along_with = None if action.request_id == arrived else arrived
                    order = next(self._happened)
                    tried = Tried(dispatch=dispatch, dispatched_at_s=self.now_s, along_with=along_with, order=order)
                    self._tried[action.attempt_id] = tried
                    self.lived[action.request_id].tried.append(tried)
                case Finish(outcome=outcome) if outcome.request_id in self.lived:
                    lived = self.lived[outcome.request_id]
                    lived.outcome, lived.finished_at_s = outcome, self.now_s
                case _:
                    pass
