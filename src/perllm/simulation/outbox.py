"""What leaves an engine: first tokens, how far streams have come, endings, and when each is known over the link."""

from __future__ import annotations

from bisect import bisect_right
from math import inf

from perllm.costs.energy import transmit_j
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.domain.energy import EnergyMethod
from perllm.domain.server import Link
from perllm.simulation.agenda import Agenda, Report
from perllm.simulation.link import Way
from perllm.simulation.processor import Processor
from perllm.simulation.replies import reply_bytes
from perllm.simulation.sequence import Place, Sequence

FIRST_TOKEN = Progress(stage=Stage.FIRST_TOKEN, tokens=1)

_WRITING, _REPLYING, _CLOSED = Place.WRITING, Place.REPLYING, Place.CLOSED
_COMPLETED, _FAILED, _MODELLED = EndingKind.COMPLETED, EndingKind.FAILED, EnergyMethod.MODELLED


class Outbox:
    """Turns what an engine does into reports. `attempts` are those that have arrived and are not over."""

    __slots__ = ("_agenda", "_link", "_processor", "_way", "attempts", "report_every_s", "transmit_j")

    def __init__(self, agenda: Agenda, way: Way, link: Link, processor: Processor, report_every_s: float) -> None:
        self._agenda = agenda
        self._way = way
        self._link = link
        self._processor = processor
        self.report_every_s = report_every_s
        self.attempts: dict[str, Sequence] = {}
        self.transmit_j = 0.0

    def start(self, sequence: Sequence, at_s: float) -> None:
        """A stream's first token leaves the engine."""
        truth = sequence.job.truth
        sequence.first_at_s = at_s
        sequence.sent_tokens = 1
        known_at_s = self._way.returns_at_s(at_s, truth.token_bytes, truth.link_factor)
        self._agenda.note(known_at_s, self._tell, (sequence, FIRST_TOKEN))
        if self.report_every_s < inf:
            self._look_later(sequence)

    def finish(self, sequence: Sequence, at_s: float) -> None:
        """An answer's last token leaves the engine."""
        job, tokens = sequence.job, sequence.output_tokens
        truth, stream = job.truth, job.request.stream
        whole_bytes = reply_bytes(job, tokens)
        # When the last token is there, one event must still cross the link, or the whole body.
        last_bytes = truth.token_bytes if stream else whole_bytes
        known_at_s = self._way.drained_at_s(
            sequence.first_at_s if stream else at_s,
            at_s,
            whole_bytes,
            last_bytes,
            truth.link_factor,
        )
        ending = Ending(
            kind=_COMPLETED,
            usage=Usage(prompt_tokens=truth.prompt_tokens, output_tokens=tokens, cached_tokens=sequence.cached_tokens),
            output_tokens=tokens,
            transmit_j=transmit_j(self._link, truth.upload_bytes + whole_bytes),
            infer_j=sequence.infer_j,
            energy_method=_MODELLED,
        )
        self._agenda.note(known_at_s, self._end, (sequence, ending))

    def fail(self, sequence: Sequence, at_s: float, *, blame_server: bool = True) -> None:
        """The engine gives an attempt up."""
        truth = sequence.job.truth
        if self.report_every_s == inf and sequence.sent_tokens:
            sequence.sent_tokens = sequence.written
        ending = self._unfinished(sequence, _FAILED, sequence.sent_tokens, blame_server=blame_server)
        known_at_s = self._way.returns_at_s(at_s, truth.token_bytes, truth.link_factor)
        self._agenda.note(known_at_s, self._end, (sequence, ending))

    def count(self, sequence: Sequence, now_s: float) -> None:
        """Count the tokens of a stream that nobody was told of and that have come through the link by now."""
        if self.report_every_s == inf and sequence.seen_tokens:
            left_at_s = now_s - self._link.rtt_s / 2 * sequence.job.truth.link_factor
            # With the last one it would be over.
            left = min(self._processor.tokens(sequence, left_at_s), sequence.output_tokens - 1)
            unseen = range(sequence.seen_tokens + 1, left + 1)
            sequence.seen_tokens += bisect_right(unseen, now_s, key=lambda tokens: self._come_at_s(sequence, tokens))

    def abort(self, sequence: Sequence, kind: EndingKind) -> Ending:
        """Close an attempt that is not waited for any more; what has come through the link has come."""
        sequence.place = _CLOSED
        ending = self._unfinished(sequence, kind, sequence.seen_tokens)
        self.transmit_j += ending.transmit_j
        return ending

    def _tell(self, at_s: float, news: tuple[Sequence, Progress]) -> Report | None:
        """Tokens of an attempt have come back over the link."""
        sequence, progress = news
        if sequence.place is _CLOSED:
            return None
        sequence.seen_tokens = progress.tokens
        return Report(at_s, sequence.attempt_id, progress)

    def _end(self, at_s: float, news: tuple[Sequence, Ending]) -> Report | None:
        """The end of an attempt has come back over the link."""
        sequence, ending = news
        if sequence.place is _CLOSED:
            return None
        sequence.place = _CLOSED
        self.transmit_j += ending.transmit_j
        del self.attempts[sequence.attempt_id]
        return Report(at_s, sequence.attempt_id, ending)

    def _look(self, at_s: float, sequence: Sequence) -> None:
        """Report how far a stream has come."""
        if sequence.place is _WRITING:
            tokens = self._processor.tokens(sequence, at_s)
            if tokens > sequence.sent_tokens:
                sequence.sent_tokens = tokens
                truth = sequence.job.truth
                known_at_s = self._way.returns_at_s(at_s, truth.token_bytes, truth.link_factor)
                known_at_s = max(known_at_s, self._come_at_s(sequence, tokens))
                self._agenda.note(known_at_s, self._tell, (sequence, Progress(stage=Stage.TOKENS, tokens=tokens)))
        if sequence.place is not _CLOSED and sequence.place is not _REPLYING:
            self._look_later(sequence)

    def _come_at_s(self, sequence: Sequence, tokens: int) -> float:
        """Return when so many tokens of a stream have come if its link was all that held them up."""
        truth = sequence.job.truth
        return self._way.returns_at_s(sequence.first_at_s, truth.token_bytes * tokens, truth.link_factor)

    def _look_later(self, sequence: Sequence) -> None:
        sequence.looks += 1
        self._agenda.note(sequence.first_at_s + sequence.looks * self.report_every_s, self._look, sequence)

    def _unfinished(self, sequence: Sequence, kind: EndingKind, tokens: int, *, blame_server: bool = True) -> Ending:
        job = sequence.job
        # A plain answer comes whole or not at all; of a stream, what has been sent has been sent.
        sent_bytes = job.truth.token_bytes * tokens if job.request.stream else 0.0
        return Ending(
            kind=kind,
            output_tokens=tokens,
            retryable=kind is _FAILED and tokens == 0,
            blame_server=blame_server,
            transmit_j=transmit_j(self._link, job.truth.upload_bytes + sent_bytes),
            infer_j=sequence.infer_j,
            energy_method=_MODELLED,
        )
