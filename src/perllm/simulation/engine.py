"""One server and the link to it, on a clock that others move: the world's half of a dispatch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from perllm.costs.energy import transmit_j
from perllm.costs.time import download_s, upload_s
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.domain.energy import EnergyMethod
from perllm.domain.server import Server
from perllm.errors import InvariantError
from perllm.simulation.job import Job
from perllm.simulation.processor import Processor
from perllm.simulation.replies import last_bytes, reply_bytes
from perllm.simulation.scenario import Outage
from perllm.simulation.sequence import Place, Sequence

FIRST_TOKEN = Progress(stage=Stage.FIRST_TOKEN, tokens=1)


class Report(NamedTuple):
    """What becomes known of an attempt at the scheduler's side of the link, and when."""

    at_s: float
    attempt_id: str
    event: Progress | Ending


class Engine:
    """A passive model of one server as it really is.

    Tell it what arrives and move it when `next_at_s` has come. Streams report their first token, then every
    `report_every_s` how many there are if more have come, then the end; plain answers report the end alone.
    """

    __slots__ = (
        "_agenda", "_attempts", "_known", "_number", "_outages", "_processor", "_server", "next_at_s",
        "report_every_s", "transmit_j",
    )  # fmt: skip

    def __init__(self, server: Server, *, report_every_s: float = 1.0, outages: Iterable[Outage] = ()) -> None:
        self.report_every_s = report_every_s
        self.transmit_j = 0.0
        self.next_at_s = inf
        self._server = server
        self._outages = tuple((outage.from_s, outage.to_s) for outage in outages)
        self._processor = Processor(server)
        self._number = 0
        self._attempts: dict[str, Sequence] = {}
        # What will happen: to nobody, an outage; with an event, that it becomes known; else what the place says.
        self._agenda: list[tuple[float, int, Sequence | None, Progress | Ending | None]] = []
        self._known: deque[tuple[Report, Sequence]] = deque()
        for from_s, _ in self._outages:
            self._note(from_s, None)
        self._foresee()

    @property
    def infer_j(self) -> float:
        """Joules above idle drawn so far, as the server's own meter counts them."""
        return self._processor.spent_j

    @property
    def open_attempts(self) -> int:
        """Attempts that have arrived and are not over."""
        return len(self._attempts)

    def knows(self, attempt_id: str) -> bool:
        """Say whether an attempt has arrived and is not over."""
        return attempt_id in self._attempts

    def healthy(self, now_s: float) -> bool:
        """Say whether the server answers at all."""
        return not any(from_s <= now_s < to_s for from_s, to_s in self._outages)

    def arrive(self, attempt_id: str, job: Job, now_s: float) -> None:
        """Begin to send a request there. Raises InvariantError if the attempt is open already."""
        if attempt_id in self._attempts:
            raise InvariantError(f"attempt {attempt_id} was sent twice")
        link, truth = self._server.link, job.truth
        reply = last_bytes(job.request.stream, truth.output_tokens)
        sequence = Sequence(attempt_id, self._number, job, truth.link_factor * download_s(link, reply))
        self._attempts[attempt_id] = sequence
        way_s = truth.link_factor * upload_s(link, truth.upload_bytes)
        overhead_s = truth.service_factor * self._server.speed.request_overhead_s
        self._note(now_s + way_s + overhead_s, sequence)
        self._foresee()

    def abort(self, attempt_id: str, kind: EndingKind, now_s: float) -> Ending:
        """Stop an attempt at once, wherever it is, and return its ending. Raises InvariantError if it is not open."""
        self._run(now_s)
        sequence = self._attempts.pop(attempt_id, None)
        if sequence is None:
            raise InvariantError(f"attempt {attempt_id} is not open here")
        self._processor.abort(sequence, now_s)
        sequence.place = Place.CLOSED
        ending = self._ending(sequence, kind, sequence.seen_tokens)
        self.transmit_j += ending.transmit_j
        self._foresee()
        return ending

    def advance(self, now_s: float) -> Report | None:
        """Move to `now_s` and return the next thing known by then; call again while `next_at_s` has come."""
        self._run(now_s)
        report = self._deliver()
        self._foresee()
        return report

    def _deliver(self) -> Report | None:
        while self._known:
            report, sequence = self._known.popleft()
            if sequence.place is Place.CLOSED:
                continue
            if isinstance(report.event, Progress):
                sequence.seen_tokens = report.event.tokens
            else:
                sequence.place = Place.CLOSED
                self.transmit_j += report.event.transmit_j
                del self._attempts[sequence.attempt_id]
            return report
        return None

    def _run(self, until_s: float) -> None:
        """Let happen what happens by `until_s`. Of equal instants, what ends comes first, for it makes room."""
        agenda, processor = self._agenda, self._processor
        while True:
            at_s = agenda[0][0] if agenda else inf
            if processor.turn_at_s <= at_s:
                at_s = processor.turn_at_s
                if at_s > until_s or at_s == inf:
                    return
                self._turn(at_s)
            elif at_s > until_s:
                return
            else:
                _, _, sequence, event = heappop(agenda)
                self._happen(at_s, sequence, event)

    def _foresee(self) -> None:
        if self._known:
            self.next_at_s = self._known[0][0].at_s
            return
        at_s, turn_at_s = self._agenda[0][0] if self._agenda else inf, self._processor.turn_at_s
        self.next_at_s = turn_at_s if turn_at_s < at_s else at_s

    def _happen(self, at_s: float, sequence: Sequence | None, event: Progress | Ending | None) -> None:
        if sequence is None:
            for lost in self._processor.clear(at_s):
                self._fail(lost, at_s)
        elif event is not None:
            self._known.append((Report(at_s, sequence.attempt_id, event), sequence))
        elif sequence.place is Place.DECODING:
            self._look(sequence, at_s)
        elif sequence.place is Place.UPLOADING:
            if self.healthy(at_s):
                self._processor.enter(sequence, at_s)
            else:
                self._fail(sequence, at_s)

    def _turn(self, at_s: float) -> None:
        read, finished = self._processor.turn()
        if read is not None and read.job.request.stream:
            read.first_at_s = at_s
            read.sent_tokens = 1
            self._note(at_s + read.way_back_s, read, FIRST_TOKEN)
            self._look_later(read)
        for sequence in finished:
            truth = sequence.job.truth
            usage = Usage(prompt_tokens=truth.prompt_tokens, output_tokens=truth.output_tokens)
            ending = self._ending(sequence, EndingKind.COMPLETED, truth.output_tokens, usage)
            self._note(at_s + sequence.way_back_s, sequence, ending)

    def _look(self, sequence: Sequence, at_s: float) -> None:
        """Report how far a stream has come."""
        tokens = self._processor.tokens(sequence, at_s)
        if tokens > sequence.sent_tokens:
            sequence.sent_tokens = tokens
            self._note(at_s + sequence.way_back_s, sequence, Progress(stage=Stage.TOKENS, tokens=tokens))
        self._look_later(sequence)

    def _look_later(self, sequence: Sequence) -> None:
        sequence.looks += 1
        self._note(sequence.first_at_s + sequence.looks * self.report_every_s, sequence)

    def _fail(self, sequence: Sequence, at_s: float) -> None:
        sequence.place = Place.REPLYING
        ending = self._ending(sequence, EndingKind.FAILED, sequence.sent_tokens)
        self._note(at_s + sequence.way_back_s, sequence, ending)

    def _note(self, at_s: float, sequence: Sequence | None, event: Progress | Ending | None = None) -> None:
        self._number += 1
        heappush(self._agenda, (at_s, self._number, sequence, event))

    def _ending(self, sequence: Sequence, kind: EndingKind, tokens: int, usage: Usage | None = None) -> Ending:
        job = sequence.job
        # A plain answer comes whole or not at all; of a stream, what has been sent has been sent.
        answered = usage is not None or job.request.stream
        way_bytes = job.truth.upload_bytes + (reply_bytes(job.request.stream, tokens) if answered else 0.0)
        return Ending(
            kind=kind,
            usage=usage,
            output_tokens=tokens,
            retryable=kind is EndingKind.FAILED and tokens == 0,
            transmit_j=transmit_j(self._server.link, way_bytes),
            infer_j=sequence.infer_j,
            energy_method=EnergyMethod.MODELLED,
        )
