"""What an engine computes: prompts that wait, prompts that are read, and the batch that writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

from perllm.costs.energy import decode_w, mixed_w, prefill_w
from perllm.costs.time import busy_s
from perllm.domain.profile import Batching
from perllm.domain.server import Server
from perllm.simulation.batch import Batch
from perllm.simulation.portion import Portion, cut_off
from perllm.simulation.prefix_cache import PrefixCache
from perllm.simulation.rest import Repose
from perllm.simulation.sequence import Place, Sequence

Pace = Callable[[float], float]

# Looking a member up in its enumeration costs as much as three calls where that is done for every request.
_WAITING, _READING, _WRITING, _REPLYING = Place.WAITING, Place.READING, Place.WRITING, Place.REPLYING


def steady(at_s: float) -> float:
    """Return the pace of a machine that nothing slows down."""
    return 1.0


class Processor:
    """Continuous batching. Prompts come in the order of their arrival, as soon as a slot and cache for them are free.

    Prefill-first: all prompts that fit one step are read together while writing stands still. Chunked: every step
    writes one token for each writer and reads as much of the prompts as is left of `step_tokens`. Should the cache run
    full, the newest one inside gives way and reads everything again later. `turn_at_s` is when what is done now ends.
    """

    __slots__ = (
        "_batch", "_chunked", "_kv_tokens", "_pace", "_portion_tokens", "_prefixes", "_readers", "_reading_tokens",
        "_reading_w", "_repose", "_server", "_since_s", "_slots", "_step_tokens", "_waiting", "_watts", "_writing_w",
        "reading_j", "turn_at_s",
    )  # fmt: skip

    def __init__(self, server: Server, repose: Repose, pace: Pace = steady) -> None:
        self._server = server
        self._slots = server.slots
        self._step_tokens = server.step_tokens
        self._kv_tokens = server.kv_tokens
        self._pace = pace
        self._chunked = server.batching is Batching.CHUNKED
        self._reading_w = prefill_w(server.power)
        self._writing_w = decode_w(server.power, 1, server.slots)
        self._waiting: deque[Sequence] = deque()
        self._readers: list[Sequence] = []
        # Of the cache, by all readers once they have read; and by the step under way.
        self._reading_tokens = 0
        self._portion_tokens = 0
        self._batch = Batch(server)
        self._prefixes = PrefixCache() if server.caches_prefixes else None
        self._repose = repose
        self._watts = self._since_s = self.reading_j = 0.0
        self.turn_at_s = inf

    @property
    def spent_j(self) -> float:
        """Joules above idle drawn so far."""
        return self.reading_j + self._batch.meter.spent_j

    @property
    def busy(self) -> bool:
        return self.turn_at_s < inf

    def ready_in_s(self, now_s: float) -> float:
        """Return how long it would take to begin with a request that comes now: a machine at rest must wake."""
        if not self.busy:
            return self._repose.wake_in_s(now_s)
        wakes = not self._readers and not self._batch.size
        return self.turn_at_s - now_s if wakes else 0.0

    def tokens(self, sequence: Sequence, at_s: float) -> int:
        """Count the tokens a sequence has by now."""
        return self._batch.tokens(sequence, at_s) if sequence.place is _WRITING else sequence.written

    def enter(self, sequence: Sequence, at_s: float) -> None:
        """Take in a request."""
        sequence.place = _WAITING
        self._waiting.append(sequence)
        if self.turn_at_s == inf:
            self.begin(at_s)
        elif len(self._waiting) == 1 and not self._readers and self._batch.size and self._fits(sequence):
            # Behind others it waits for what they wait for.
            self.interrupt(at_s)

    def begin(self, at_s: float) -> None:
        """Begin to work; a machine at rest must wake first."""
        wake_s = self._repose.wake(at_s)
        if wake_s > 0.0:
            self._forget()
            self.turn_at_s = at_s + wake_s
        else:
            self._proceed(at_s)

    def interrupt(self, at_s: float) -> None:
        """Look again at what to do after the step under way."""
        if self._batch.turn_at_s < inf:
            self._batch.interrupt(at_s)
            self.turn_at_s = self._batch.turn_at_s

    def turn(self) -> tuple[list[Sequence], list[Sequence]]:
        """Go on to what comes next at `turn_at_s`; return who has just got a first token, and who a last."""
        at_s = self.turn_at_s
        finished = self._batch.pause(at_s) if self._batch.turn_at_s < inf else []
        started = self._end_reading(at_s) if self._readers else []
        for sequence in started:
            if sequence.written >= sequence.output_tokens:
                finished.append(sequence)
            else:
                sequence.place = _WRITING
                self._batch.join(sequence, at_s)
        for sequence in finished:
            sequence.place = _REPLYING
            if self._prefixes is not None:
                self._prefixes.keep_answer(sequence, self._kv_tokens - self._batch.context_tokens)
        self._proceed(at_s)
        return started, finished

    def abort(self, sequence: Sequence, at_s: float) -> None:
        """Drop a sequence at once, wherever it is."""
        place = sequence.place
        if place is _WAITING:
            self._drop_waiting(sequence, at_s)
        elif place is _READING:
            self._drop_reader(sequence, at_s)
        elif place is _WRITING:
            self._drop_writer(sequence, at_s)

    def clear(self, at_s: float) -> list[Sequence]:
        """Drop everything at once and return it, in the order of arrival."""
        self._break_off_reading(at_s)
        dropped = [*self._batch.clear(at_s), *self._waiting, *self._readers]
        self._waiting.clear()
        self._forget()
        self._readers, self._reading_tokens, self.turn_at_s = [], 0, inf
        self._repose.fall(at_s)
        return sorted(dropped, key=lambda sequence: sequence.number)

    def _forget(self) -> None:
        """Lose the cache, as a machine does that was off or had its model unloaded."""
        if self._prefixes is not None:
            self._prefixes.clear()

    def _proceed(self, at_s: float) -> None:
        """Begin to read, or else write, or else rest."""
        if self._waiting:
            self._admit()
        if self._chunked or not self._readers:
            room_tokens = self._kv_tokens - self._batch.context_tokens - self._reading_tokens
            if room_tokens < self._batch.size:
                room_tokens = self._make_room(at_s)
        if self._readers:
            self._read(at_s)
        elif self._batch.size:
            self._batch.write(at_s, self._pace(at_s), room_tokens)
            self.turn_at_s = self._batch.turn_at_s
        else:
            self.turn_at_s = inf
            self._repose.begin(at_s)

    def _admit(self) -> None:
        """Let waiting prompts in while there is room."""
        waiting = self._waiting
        while waiting and self._fits(waiting[0]):
            sequence = waiting.popleft()
            if self._prefixes is not None:
                self._prefixes.admit(sequence)
            sequence.place = _READING
            self._readers.append(sequence)
            self._reading_tokens += sequence.context_tokens

    def _fits(self, sequence: Sequence) -> bool:
        """Whether a slot and cache are free for one more, and room in the step where prompts are read whole."""
        batch, readers = self._batch, self._readers
        if batch.size + len(readers) >= self._slots:
            return False
        if batch.context_tokens + self._reading_tokens + sequence.context_tokens >= self._kv_tokens:
            return False
        if self._chunked or not readers:
            return True
        return self._unread(sequence) + sum(reader.to_read for reader in readers) <= self._step_tokens

    def _unread(self, sequence: Sequence) -> int:
        """Count what must be read of a prompt that waits."""
        return sequence.to_read if self._prefixes is None else self._prefixes.unread(sequence)

    def _read(self, at_s: float) -> None:
        """Begin the next step that reads."""
        if self._chunked:
            batch = self._batch
            room_tokens = self._step_tokens - batch.size
            portion = cut_off(self._readers, room_tokens if room_tokens > 1 else 1)
            self._watts = batch.write_beside(at_s, self._pace(at_s), portion)
            self.turn_at_s = batch.turn_at_s
        else:
            portion = cut_off(self._readers)
            self._watts = self._read_apart(at_s, portion)
        self._portion_tokens = portion.tokens
        self._since_s = at_s

    def _read_apart(self, at_s: float, portion: Portion) -> float:
        """Begin a step that only reads; return the watts it draws."""
        speed = self._server.speed
        arithmetic_s = portion.tokens * speed.prefill_token_s + portion.pairs * speed.attention_pair_s
        step_s = busy_s(speed, arithmetic_s, speed.weights_read_s) + speed.step_overhead_s
        self.turn_at_s = at_s + step_s * self._pace(at_s) * portion.factors / portion.readers
        return mixed_w(self._reading_w, self._writing_w, arithmetic_s, speed.weights_read_s)

    def _end_reading(self, at_s: float) -> list[Sequence]:
        """Take account of what was read; return the prompts that are read, each with its first token."""
        self._charge(at_s)
        read, unread = [], []
        for reader in self._readers:
            portion = reader.portion
            reader.to_read -= portion
            reader.known += portion
            if reader.to_read:
                unread.append(reader)
                continue
            read.append(reader)
            self._reading_tokens -= reader.context_tokens
            reader.written += 1
            reader.context_tokens += 1
            if self._prefixes is not None:
                truth = reader.job.truth
                self._prefixes.keep(truth.blocks, self._kv_tokens - self._batch.context_tokens, truth.block_tokens)
        self._readers = unread
        return read

    def _charge(self, at_s: float) -> None:
        """Charge the readers, each by what is read of it."""
        joules = self._watts * (at_s - self._since_s)
        self.reading_j += joules
        for reader in self._readers:
            reader.infer_j += joules * reader.portion / self._portion_tokens

    def _break_off_reading(self, at_s: float) -> None:
        """Stop the step under way if it reads: it must be made again."""
        if self._readers:
            self._charge(at_s)
            if self._batch.turn_at_s < inf:
                self._batch.stop(at_s)

    def _drop_waiting(self, sequence: Sequence, at_s: float) -> None:
        waiting = self._waiting
        was_next = waiting[0] is sequence
        waiting.remove(sequence)
        # Who stood behind it may fit where it did not.
        if was_next and waiting and not self._readers and self._fits(waiting[0]):
            self.interrupt(at_s)

    def _drop_reader(self, sequence: Sequence, at_s: float) -> None:
        if sequence.portion:
            self._break_off_reading(at_s)
        self._readers.remove(sequence)
        self._reading_tokens -= sequence.context_tokens
        # Otherwise the step under way reads nothing of it and goes on.
        if sequence.portion:
            self._proceed(at_s)

    def _drop_writer(self, sequence: Sequence, at_s: float) -> None:
        reads_apart = bool(self._readers) and self._batch.turn_at_s == inf
        if self._batch.size == 1 and not reads_apart:
            # The last one takes the step under way along; who reads beside it begins that step again.
            self._break_off_reading(at_s)
        self._batch.drop(sequence, at_s)
        if not reads_apart:
            self.turn_at_s = self._batch.turn_at_s
            if self.turn_at_s == inf:
                self._proceed(at_s)

    def _make_room(self, at_s: float) -> int:
        """Let the newest give way until everybody else's next token fits; return the room there is."""
        batch, readers = self._batch, self._readers
        while True:
            room_tokens = self._kv_tokens - batch.context_tokens - self._reading_tokens
            if room_tokens >= batch.size or batch.size + len(readers) <= 1:
                return room_tokens
            newest = max([*readers, batch.newest], key=lambda sequence: sequence.number)
            if newest in readers:
                readers.remove(newest)
                self._reading_tokens -= newest.context_tokens
            else:
                batch.drop(newest, at_s)
            newest.give_way()
            self._waiting.appendleft(newest)
