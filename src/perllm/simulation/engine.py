"""One server and the link to it, on a clock that others move: the world's half of a dispatch."""

from __future__ import annotations

from collections.abc import Iterable

from perllm.accounting import IdleJoules
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.server import Server
from perllm.errors import InvariantError
from perllm.simulation.agenda import Agenda, Report
from perllm.simulation.job import Job
from perllm.simulation.link import Way, way_of
from perllm.simulation.outbox import Outbox
from perllm.simulation.pace import Pace
from perllm.simulation.processor import Processor
from perllm.simulation.rest import Repose
from perllm.simulation.sequence import Place, Sequence
from perllm.simulation.trouble import Outage, OutageKind

_UPLOADING, _CLOSED = Place.UPLOADING, Place.CLOSED


class Engine:
    """A passive model of one server as it really is.

    Tell it what arrives and move its agenda when `next_at_s` has come. Streams report their first token, then every
    `report_every_s` how many there are if more have come, then the end; plain answers report the end alone.
    """

    __slots__ = (
        "_agenda", "_context_tokens", "_foreign", "_foreign_j", "_number", "_outages", "_outbox", "_processor",
        "_repose", "_server", "_turn_number", "_turns_at_s", "_way",
    )  # fmt: skip

    def __init__(
        self,
        server: Server,
        *,
        report_every_s: float = 1.0,
        outages: Iterable[Outage] = (),
        agenda: Agenda | None = None,
        way: Way | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._server = server
        self._context_tokens = min(server.context_tokens, server.kv_tokens)
        self._agenda = agenda or Agenda()
        self._way = way or way_of(server.link)
        self._outages = tuple(outages)
        self._repose = Repose(server.power.idle_w, server.rests)
        self._processor = Processor(server, self._repose, pace) if pace else Processor(server, self._repose)
        self._number = 0
        self._outbox = Outbox(self._agenda, self._way, server.link, self._processor, report_every_s)
        self._foreign: set[Sequence] = set()
        self._foreign_j = 0.0
        self._turn_number = 0
        self._turns_at_s = self._processor.turn_at_s
        for outage in self._outages:
            self._agenda.note(outage.from_s, self._crash, outage)
        for at_s in pace.changes_at_s if pace else ():
            self._agenda.note(at_s, self._look_again, None)

    # ---- what is asked of it ------------------------------------------------------------------------------------

    @property
    def next_at_s(self) -> float:
        """The next instant at which something happens by itself."""
        return self._agenda.next_at_s

    @property
    def transmit_j(self) -> float:
        """Joules of moving bytes for attempts that are over."""
        return self._outbox.transmit_j

    @property
    def infer_j(self) -> float:
        """Joules above idle drawn so far for our own requests, as the server's own meter counts them."""
        return self._processor.spent_j - self._foreign_j

    @property
    def foreign_j(self) -> float:
        """Joules above idle drawn for tenants that are gone."""
        return self._foreign_j

    @property
    def open_attempts(self) -> int:
        """Attempts that have arrived and are not over."""
        return len(self._outbox.attempts)

    def idle_joules(self, now_s: float) -> IdleJoules:
        """Return what doing nothing has cost by now."""
        return self._repose.joules(now_s)

    def knows(self, attempt_id: str) -> bool:
        """Say whether an attempt has arrived and is not over."""
        return attempt_id in self._outbox.attempts

    def healthy(self, now_s: float) -> bool:
        """Say whether the server answers at all."""
        return self._outage(now_s) is None

    def ready_in_s(self, now_s: float) -> float:
        """Return how long it would take to begin with a request that arrives now: a machine at rest must wake."""
        return self._processor.ready_in_s(now_s)

    def sleep(self, now_s: float) -> None:
        """Go to the deepest rest at once, if there is nothing to do."""
        if not self._processor.busy:
            self._repose.fall(now_s)

    def arrive(self, attempt_id: str, job: Job, now_s: float) -> None:
        """Begin to send a request there. Raises InvariantError if the attempt is open already."""
        if attempt_id in self._outbox.attempts:
            raise InvariantError(f"attempt {attempt_id} was sent twice")
        truth = job.truth
        sequence = self._sequence(attempt_id, job)
        self._outbox.attempts[attempt_id] = sequence
        there_at_s = self._way.arrives_at_s(now_s, truth.upload_bytes, truth.link_factor)
        overhead_s = truth.service_factor * self._server.speed.request_overhead_s
        self._agenda.note(there_at_s + overhead_s, self._enter, sequence)

    def occupy(self, attempt_id: str, job: Job, now_s: float) -> None:
        """Take in a request of another tenant, of which nobody here is told anything, not even that it failed."""
        sequence = self._sequence(attempt_id, job)
        if sequence.output_tokens >= 1 and self.healthy(now_s):
            self._foreign.add(sequence)
            self._enter(now_s, sequence)

    def evict_tenants(self, now_s: float) -> None:
        """End other tenants' requests, so that what is left on the meter is ours."""
        for sequence in sorted(self._foreign, key=lambda each: each.number):
            self._processor.abort(sequence, now_s)
            self._end_foreign(sequence)
        self._follow()

    def abort(self, attempt_id: str, kind: EndingKind, now_s: float) -> Ending:
        """Stop an attempt at once, wherever it is, and return its ending. Raises InvariantError if it is not open."""
        self._agenda.settle(now_s)
        sequence = self._outbox.attempts.pop(attempt_id, None)
        if sequence is None:
            raise InvariantError(f"attempt {attempt_id} is not open here")
        self._outbox.count(sequence, now_s)
        self._processor.abort(sequence, now_s)
        self._follow()
        return self._outbox.abort(sequence, kind)

    def advance(self, now_s: float) -> Report | None:
        """Move to `now_s` and return the next thing known by then; call again while `next_at_s` has come."""
        return self._agenda.advance(now_s)

    # ---- what happens -------------------------------------------------------------------------------------------

    def _enter(self, at_s: float, sequence: Sequence) -> None:
        """A request has reached the engine."""
        if sequence.place is not _UPLOADING:
            return
        outage = self._outage(at_s) if self._outages else None
        if outage is None and sequence.output_tokens >= 1:
            self._processor.enter(sequence, at_s)
            self._follow()
        elif outage is not None:
            self._lose(sequence, at_s, outage.kind)
        else:
            sequence.place = Place.REPLYING
            self._outbox.fail(sequence, at_s, blame_server=False)

    def _turn(self, at_s: float, number: int) -> None:
        """What the engine was doing has ended, unless it does something else by now."""
        if number != self._turn_number:
            return
        started, finished = self._processor.turn()
        self._turns_at_s = at_s
        self._follow()
        foreign = self._foreign
        for sequence in started:
            if sequence.job.request.stream and sequence.sent_tokens == 0 and not (foreign and sequence in foreign):
                self._outbox.start(sequence, at_s)
        for sequence in finished:
            if foreign and sequence in foreign:
                self._end_foreign(sequence)
            else:
                self._outbox.finish(sequence, at_s)

    def _crash(self, at_s: float, outage: Outage) -> None:
        """The server drops all it was doing."""
        for lost in self._processor.clear(at_s):
            if lost in self._foreign:
                self._end_foreign(lost)
            else:
                self._lose(lost, at_s, outage.kind)
        self._follow()

    def _look_again(self, at_s: float, _: None) -> None:
        """The machine's pace has changed: what it does next takes another time."""
        self._processor.interrupt(at_s)
        self._follow()

    # ---- how it is done -----------------------------------------------------------------------------------------

    def _sequence(self, attempt_id: str, job: Job) -> Sequence:
        """Make the record of an attempt. An answer ends where the context does, which may leave no room for one."""
        self._number = number = self._number + 1
        prompt_tokens, tokens = job.truth.prompt_tokens, job.truth.output_tokens
        room_tokens = self._context_tokens - prompt_tokens
        if tokens > room_tokens:
            tokens = room_tokens if room_tokens > 0 else 0
        return Sequence(attempt_id, number, job, tokens, prompt_tokens, prompt_tokens)

    def _follow(self) -> None:
        """Note the end of what the engine does now."""
        turns_at_s = self._processor.turn_at_s
        if turns_at_s != self._turns_at_s:
            self._turns_at_s = turns_at_s
            self._turn_number += 1
            self._agenda.note_turn(turns_at_s, self._turn, self._turn_number)

    def _outage(self, at_s: float) -> Outage | None:
        for outage in self._outages:
            if outage.from_s <= at_s < outage.to_s:
                return outage
        return None

    def _lose(self, sequence: Sequence, at_s: float, kind: OutageKind) -> None:
        """Fail an attempt on a server that is down; of one that has vanished, nothing is ever heard."""
        sequence.place = Place.REPLYING
        if kind is OutageKind.REFUSES:
            self._outbox.fail(sequence, at_s)

    def _end_foreign(self, sequence: Sequence) -> None:
        sequence.place = _CLOSED
        self._foreign.discard(sequence)
        self._foreign_j += sequence.infer_j
