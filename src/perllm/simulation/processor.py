"""What an engine computes: a queue of prompts, one of them being read, and the sequences that decode."""

from __future__ import annotations

from collections import deque
from math import inf

from perllm.costs.energy import prefill_w
from perllm.costs.time import prefill_s
from perllm.domain.server import Server
from perllm.simulation.batch import DecodeBatch
from perllm.simulation.sequence import Place, Sequence


class Processor:
    """Continuous batching, prompts first.

    Prompts are read one at a time in the order in which they came, and decoding stands still meanwhile. Up to `slots`
    sequences are inside; the others queue. A prompt's joules belong to it; those of decoding are shared equally by the
    sequences in the batch. `turn_at_s` is when the prompt or the run of decode steps under way ends.
    """

    __slots__ = (
        "_batch", "_prefill_w", "_read_since_s", "_reading", "_slots", "_speed", "_waiting", "prefill_j", "turn_at_s",
    )  # fmt: skip

    def __init__(self, server: Server) -> None:
        self._speed = server.speed
        self._slots = server.slots
        self._prefill_w = prefill_w(server.power)
        self._waiting: deque[Sequence] = deque()
        self._reading: Sequence | None = None
        self._read_since_s = 0.0
        self._batch = DecodeBatch(server.speed, server.power, server.slots)
        self.prefill_j = 0.0
        self.turn_at_s = inf

    @property
    def spent_j(self) -> float:
        """Joules above idle drawn so far."""
        return self.prefill_j + self._batch.spent_j

    def tokens(self, sequence: Sequence, at_s: float) -> int:
        """Count the tokens a decoding sequence has by now."""
        return self._batch.tokens(sequence, at_s)

    def enter(self, sequence: Sequence, at_s: float) -> None:
        """Take in a request."""
        sequence.place = Place.WAITING
        self._waiting.append(sequence)
        if self.turn_at_s == inf:
            self._proceed(at_s)
        else:
            self._make_room(at_s)

    def turn(self) -> tuple[Sequence | None, list[Sequence]]:
        """Go on to what comes next at `turn_at_s`; return who has just got a first token, and who a last."""
        at_s = self.turn_at_s
        read, finished = self._reading, []
        if read is None:
            finished = self._batch.pause()
        else:
            self._stop_reading(read, at_s)
            if read.job.truth.output_tokens == 1:
                finished = [read]
            else:
                read.place = Place.DECODING
                self._batch.join(read, at_s)
        for sequence in finished:
            sequence.place = Place.REPLYING
        self._proceed(at_s)
        return read, finished

    def abort(self, sequence: Sequence, at_s: float) -> None:
        """Drop a sequence at once, wherever it is."""
        match sequence.place:
            case Place.WAITING:
                self._waiting.remove(sequence)
            case Place.READING:
                self._stop_reading(sequence, at_s)
                self._proceed(at_s)
            case Place.DECODING:
                self._batch.abort(sequence, at_s)
                if self._reading is None:
                    self._after_abort(at_s)
            case _:
                pass

    def clear(self, at_s: float) -> list[Sequence]:
        """Drop everything at once and return it, in the order of arrival."""
        dropped = [*self._batch.clear(at_s), *self._waiting]
        if self._reading is not None:
            dropped.append(self._reading)
            self._stop_reading(self._reading, at_s)
        self._waiting.clear()
        self.turn_at_s = inf
        return sorted(dropped, key=lambda sequence: sequence.number)

    def _proceed(self, at_s: float) -> None:
        """Begin the next prompt, or else decode, or else rest."""
        if self._waiting and len(self._batch) < self._slots:
            self._read(self._waiting.popleft(), at_s)
            return
        if len(self._batch):
            self._batch.run(at_s)
        self.turn_at_s = self._batch.turn_at_s

    def _make_room(self, at_s: float) -> None:
        """Let decoding pause after the step under way if a prompt waits that may come in."""
        if self._waiting and self._reading is None and len(self._batch) < self._slots:
            self._batch.interrupt(at_s)
            self.turn_at_s = self._batch.turn_at_s

    def _after_abort(self, at_s: float) -> None:
        self.turn_at_s = self._batch.turn_at_s
        if self.turn_at_s == inf:
            self._proceed(at_s)
        else:
            self._make_room(at_s)

    def _read(self, sequence: Sequence, at_s: float) -> None:
        truth = sequence.job.truth
        sequence.place = Place.READING
        self._reading = sequence
        self._read_since_s = at_s
        self.turn_at_s = at_s + truth.service_factor * prefill_s(self._speed, truth.prompt_tokens)

    def _stop_reading(self, sequence: Sequence, at_s: float) -> None:
        joules = self._prefill_w * (at_s - self._read_since_s)
        sequence.infer_j += joules
        self.prefill_j += joules
        self._reading = None
