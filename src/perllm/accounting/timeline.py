"""A run as a timeline: every attempt on a lane of its server, every wait on a lane of the held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from perllm.accounting.lanes import Lanes
from perllm.accounting.moments import (
    Closed,
    Held,
    Lives,
    Moment,
    OpenAttempt,
    OpenRequest,
    Over,
    Reconfigured,
    Released,
    Sent,
)
from perllm.accounting.trace_event import TraceEvent, complete, counter, instant, process, thread
from perllm.domain.action import Outcome
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.entry import Entry, Fleet
from perllm.domain.server import Server

_HELD_PID: Final = 1
# The lane of requests that were refused at once, above those that wait.
_AT_ONCE_TID: Final = 1
_FIRST_HELD_TID: Final = 2

# How an attempt ended, in words, and the colour that chrome://tracing has for it.
_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "in time": "good",
        "late": "bad",
        "completed": "generic_work",
        "failed": "terrible",
        "lost": "terrible",
        "timed out": "terrible",
        "cancelled": "grey",
        "open at the end": "grey",
    }
)


@dataclass(slots=True)
class _Track:
    """One server's process in the timeline."""

    pid: int
    slots: int = 0
    lanes: Lanes = field(default_factory=Lanes)

    def count(self, at_s: float) -> TraceEvent:
        """Return how many attempts are there, as far as entries tell: beyond its slots they wait in the engine."""
        there = self.lanes.taken
        in_slots = min(there, self.slots)
        return counter(self.pid, "attempts", at_s, {"in slots": in_slots, "beyond slots": there - in_slots})


class Timeline:
    """Tells `write` the events of a trace, each attempt and wait when it is over: a sink that remembers what is open.

    An attempt is an event on a lane, in it one for the time to its first token and one for its stream; an answer
    that is not streamed has neither. Their order is that of their ends, which readers of the format allow.
    """

    def __init__(self, write: Callable[[TraceEvent], None]) -> None:
        self._write = write
        self._lives = Lives()
        self._tracks: dict[str, _Track] = {}
        self._waiting = Lanes()
        self._at_s = 0.0
        self._tell(process(_HELD_PID, "held: requests without a server"))
        self._tell(thread(_HELD_PID, _AT_ONCE_TID, "refused at once"))

    def __call__(self, entry: Entry) -> None:
        """Take in one entry. Entries come in the order of their instants."""
        self._at_s = entry.at_s
        for moment in self._lives.moments(entry):
            self._hear(moment)

    def close(self) -> None:
        """Draw what is still open up to the last entry. Nothing may follow."""
        for attempt in self._lives.attempts.values():
            self._draw(attempt, "open at the end", _promise(attempt))
        for request in self._lives.requests.values():
            if request.held_since_s is not None:
                self._released(Released(request, request.held_since_s))

    def _hear(self, moment: Moment) -> None:
        match moment:
            case Sent(attempt):
                self._sent(attempt)
            case Closed(attempt, ending, outcome):
                self._draw(attempt, _ending_of(ending, outcome), _promise(attempt) | _truth(ending))
            case Held(request):
                self._held(request)
            case Released():
                self._released(moment)
            case Over(outcome):
                self._over(outcome)
            case Reconfigured(fleet):
                self._configure(fleet)
            case _:
                pass

    def _sent(self, attempt: OpenAttempt) -> None:
        track = self._track(attempt.dispatch.server_id)
        lane, new = track.lanes.take(attempt.dispatch.attempt_id)
        if new:
            beyond = lane - track.slots
            self._tell(thread(track.pid, lane, f"slot {lane}" if beyond <= 0 else f"beyond its slots {beyond}"))
        self._write(track.count(self._at_s))

    def _draw(self, attempt: OpenAttempt, ending: str, args: dict[str, Any]) -> None:
        """Draw an attempt that ended: itself first, then its phases, which lie in it."""
        track, from_s, to_s = self._tracks[attempt.dispatch.server_id], attempt.dispatched_at_s, self._at_s
        lane, first_s = track.lanes.release(attempt.dispatch.attempt_id), attempt.first_token_at_s
        name = f"{attempt.owner.request.service}: {ending}"
        took: dict[str, Any] = {"request": attempt.dispatch.request_id, "took_s": float(to_s - from_s)}
        self._write(complete(track.pid, lane, name, from_s, to_s, took | args, _COLOURS[ending]))
        if attempt.owner.request.stream:
            self._write(complete(track.pid, lane, "to the first token", from_s, to_s if first_s is None else first_s))
        if first_s is not None:
            self._write(complete(track.pid, lane, "streaming", first_s, to_s))
        self._write(track.count(to_s))

    def _held(self, request: OpenRequest) -> None:
        lane, new = self._waiting.take(request.request.request_id)
        if new:
            self._tell(thread(_HELD_PID, lane + _FIRST_HELD_TID - 1, f"waiting {lane}"))
        self._count_held()

    def _released(self, released: Released) -> None:
        value, outcome, dispatch = released.request.request, released.outcome, released.dispatch
        lane = self._waiting.release(value.request_id) + _FIRST_HELD_TID - 1
        args = {
            "request": value.request_id,
            "requirement_s": value.requirement.total_s,
            "sent_to": None if dispatch is None else dispatch.server_id,
            "ended_as": None if outcome is None else outcome.fate.value,
        }
        colour = "terrible" if outcome is not None else "thread_state_runnable"
        self._write(complete(_HELD_PID, lane, value.service, released.since_s, self._at_s, args, colour))
        self._count_held()

    def _over(self, outcome: Outcome) -> None:
        """Mark who was refused without having waited."""
        if outcome.dispatched_at_s is None and outcome.finished_at_s == outcome.arrived_at_s:
            why = "left" if outcome.refusal is None else outcome.refusal.value
            name, args = f"{outcome.service}: {why}", {"request": outcome.request_id}
            self._write(instant(_HELD_PID, _AT_ONCE_TID, name, self._at_s, args))

    def _count_held(self) -> None:
        self._write(counter(_HELD_PID, "held", self._at_s, {"requests": self._waiting.taken}))

    def _configure(self, fleet: Fleet) -> None:
        for server in fleet.servers:
            self._track(server.server_id, _title(server)).slots = server.slots

    def _track(self, server_id: str, title: str | None = None) -> _Track:
        """Return a server's process. A journal may have lost the entry that describes it: then it has no slots."""
        track = self._tracks.get(server_id)
        if track is None:
            track = self._tracks[server_id] = _Track(_HELD_PID + 1 + len(self._tracks))
            self._tell(process(track.pid, title or server_id))
        return track

    def _tell(self, events: Iterable[TraceEvent]) -> None:
        for event in events:
            self._write(event)


def _title(server: Server) -> str:
    return f"{server.server_id} ({server.tier.value}, {server.slots} slot{'s' if server.slots > 1 else ''})"


def _ending_of(ending: Ending, outcome: Outcome | None) -> str:
    if ending.kind is EndingKind.COMPLETED:
        return "completed" if outcome is None else "in time" if outcome.in_time else "late"
    return ending.kind.value.replace("_", " ")


def _promise(attempt: OpenAttempt) -> dict[str, Any]:
    """What was asked and expected."""
    dispatch = attempt.dispatch
    return {
        "attempt": dispatch.attempt_number,
        "choice": dispatch.choice.value,
        "requirement_s": attempt.owner.request.requirement.total_s,
        "predicted_s": dispatch.predicted_total_s,
        "predicted_j": dispatch.predicted_energy_j,
    }


def _truth(ending: Ending) -> dict[str, Any]:
    """What it came to."""
    usage, infer_j = ending.usage, ending.infer_j
    return {
        "spent_j": None if infer_j is None else float(ending.transmit_j + infer_j),
        "energy_method": ending.energy_method.value,
        "prompt_tokens": None if usage is None else int(usage.prompt_tokens),
        "output_tokens": int(ending.output_tokens if usage is None else usage.output_tokens),
    }
