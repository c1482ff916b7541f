"""What an engine computes: prompts that wait, prompts that are read, and the batch that writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

from perllm.costs.energy import decode_w, mixed_w, prefill_w
from perllm.costs.time import attention_pairs, busy_s
from perllm.domain.profile import Batching
from perllm.domain.server import Server
from perllm.simulation.batch import Batch, Portion
from perllm.simulation.prefix_cache import PrefixCache
from perllm.simulation.rest import Repose
from perllm.simulation.sequence import Place, Sequence

Pace = Callable[[float], float]


def steady(at_s: float) -> float:
    """Return the pace of a machine that nothing slows down."""
    return 1.0


class Processor:
    """Continuous batching. Prompts come in the order of their arrival, as soon as a slot and cache for them are free.

    Prefill-first: all prompts that fit one step are read together while writing stands still. Chunked: every step
    writes one token for each writer and reads as much of the prompts as is left of `step_tokens`. Should the cache run
    full, the newest writer gives way and reads everything again later. `turn_at_s` is when what is done now ends.
    """

    __slots__ = (
        "_batch", "_chunked", "_pace", "_portions", "_prefixes", "_readers", "_reading_w", "_repose", "_server",
        "_since_s", "_waiting", "_watts", "_writing_w", "reading_j", "turn_at_s",
    )  # fmt: skip

    def __init__(self, server: Server, repose: Repose, pace: Pace = steady) -> None:
        self._server = server
        self._pace = pace
        self._chunked = server.batching is Batching.CHUNKED
        self._reading_w = prefill_w(server.power)
        self._writing_w = decode_w(server.power, 1, server.slots)
        self._waiting: deque[Sequence] = deque()
        self._readers: list[Sequence] = []
        self._portions: list[int] = []
        self._batch = Batch(server)
        self._prefixes = PrefixCache() if server.caches_prefixes else None
        self._repose = repose
        self._watts = 0.0
        self._since_s = 0.0
        self.reading_j = 0.0
        self.turn_at_s = inf

    @property
    def spent_j(self) -> float:
        """Joules above idle drawn so far."""
        return self.reading_j + self._batch.meter.spent_j

    @property
    def busy(self) -> bool:
        return self.turn_at_s < inf

    def wakes_in_s(self, now_s: float) -> float:
        """Return how long waking still takes; 0 for a machine that is awake."""
        awake = self._readers or self._batch.size or self.turn_at_s == inf
        return 0.0 if awake else max(self.turn_at_s - now_s, 0.0)

    def tokens(self, sequence: Sequence, at_s: float) -> int:
        """Count the tokens a sequence has by now."""
        return self._batch.tokens(sequence, at_s) if sequence.place is Place.WRITING else sequence.written

    def enter(self, sequence: Sequence, at_s: float) -> None:
        """Take in a request."""
        sequence.place = Place.WAITING
        self._waiting.append(sequence)
        if self.turn_at_s == inf:
            wake_s = self._repose.wake(at_s)
            if wake_s > 0.0:
                self.turn_at_s = at_s + wake_s
            else:
                self._proceed(at_s)
        elif not self._readers and self._batch.size and self._fits(sequence):
            self.interrupt(at_s)

    def interrupt(self, at_s: float) -> None:
        """Look again at what to do after the step under way."""
        if self._batch.turn_at_s < inf:
            self._batch.interrupt(at_s)
            self.turn_at_s = self._batch.turn_at_s

    def turn(self) -> tuple[list[Sequence], list[Sequence]]:
        """Go on to what comes next at `turn_at_s`; return who has just got a first token, and who a last."""
        at_s = self.turn_at_s
        steps, finished = self._batch.pause(at_s) if self._batch.turn_at_s < inf else (1, [])
        started = self._end_reading(steps, at_s) if self._readers else []
        for sequence in started:
            if sequence.written >= sequence.output_tokens:
                finished.append(sequence)
            else:
                sequence.place = Place.WRITING
                self._batch.join(sequence, at_s)
        for sequence in finished:
            sequence.place = Place.REPLYING
        self._proceed(at_s)
        return started, finished

    def abort(self, sequence: Sequence, at_s: float) -> None:
        """Drop a sequence at once, wherever it is."""
        match sequence.place:
            case Place.WAITING:
                self._waiting.remove(sequence)
            case Place.READING:
                self._drop_reader(sequence, at_s)
            case Place.WRITING:
                self._drop_writer(sequence, at_s)
            case _:
                pass

    def clear(self, at_s: float) -> list[Sequence]:
        """Drop everything at once and return it, in the order of arrival."""
        self._break_off_reading(at_s)
        dropped = [*self._batch.clear(at_s), *self._waiting, *self._readers]
        self._waiting.clear()
        self._readers = []
        if self._prefixes is not None:
            self._prefixes.clear()
        self.turn_at_s = inf
        self._repose.fall(at_s)
        return sorted(dropped, key=lambda sequence: sequence.number)

    def _proceed(self, at_s: float) -> None:
        """Begin to read, or else write, or else rest."""
        if self._waiting:
            self._admit()
        if self._readers:
            self._read(at_s)
        elif self._batch.size:
            room_tokens = self._server.kv_tokens - self._batch.context_tokens
            if room_tokens < self._batch.size:
                room_tokens = self._make_room(at_s)
            self._batch.write(at_s, self._pace(at_s), room_tokens)
            self.turn_at_s = self._batch.turn_at_s
        else:
            self.turn_at_s = inf
            self._repose.begin(at_s)

    def _admit(self) -> None:
        """Let waiting prompts in while there is room."""
        while self._waiting and self._fits(self._waiting[0]):
            sequence = self._waiting.popleft()
            if self._prefixes is not None:
                truth = sequence.job.truth
                sequence.known = self._prefixes.known_tokens(truth.blocks, truth.prompt_tokens)
                sequence.cached_tokens = sequence.known
                sequence.to_read = sequence.context_tokens - sequence.known
            sequence.place = Place.READING
            self._readers.append(sequence)

    def _fits(self, sequence: Sequence) -> bool:
        """Whether a slot and cache are free for one more, and room in the step where prompts are read whole."""
        server, readers = self._server, self._readers
        taken = self._batch.context_tokens + sequence.context_tokens
        if not readers:
            return self._batch.size < server.slots and taken < server.kv_tokens
        if self._batch.size + len(readers) >= server.slots:
            return False
        if taken + sum(reader.context_tokens for reader in readers) >= server.kv_tokens:
            return False
        return self._chunked or sequence.to_read + sum(reader.to_read for reader in readers) <= server.step_tokens

    def _read(self, at_s: float) -> None:
        """Begin the next steps that read."""
        if self._chunked:
            portion = self._portion(self._plan())
            self._watts = self._batch.write_beside(at_s, self._pace(at_s), portion)
            self.turn_at_s = self._batch.turn_at_s
        else:
            self._portions = [reader.to_read for reader in self._readers]
            self._watts = self._read_apart(at_s, self._portion(1))
        self._since_s = at_s

    def _plan(self) -> int:
        """Portion the prompts over the next steps; return how many steps are alike."""
        room = max(self._server.step_tokens - self._batch.size, 1)
        first = self._readers[0].to_read
        if first > room:
            self._portions = [room]
            return first // room
        if len(self._readers) == 1:
            self._portions = [first]
            return 1
        self._portions = []
        for reader in self._readers:
            if room == 0:
                break
            self._portions.append(min(reader.to_read, room))
            room -= self._portions[-1]
        return 1

    def _portion(self, steps: int) -> Portion:
        """Add up what each of some steps reads."""
        reader, tokens = self._readers[0], self._portions[0]
        pairs = attention_pairs(tokens * steps, reader.known) / steps
        factors = reader.job.truth.service_factor
        for place in range(1, len(self._portions)):
            reader = self._readers[place]
            tokens += self._portions[place]
            pairs += attention_pairs(self._portions[place], reader.known)
            factors += reader.job.truth.service_factor
        return Portion(tokens, pairs, factors, len(self._portions), steps)

    def _read_apart(self, at_s: float, portion: Portion) -> float:
        """Begin a step that only reads; return the watts it draws."""
        speed = self._server.speed
        arithmetic_s = portion.tokens * speed.prefill_token_s + portion.pairs * speed.attention_pair_s
        step_s = busy_s(speed, arithmetic_s, speed.weights_read_s) + speed.step_overhead_s
        self.turn_at_s = at_s + step_s * self._pace(at_s) * portion.factors / portion.readers
        return mixed_w(self._reading_w, self._writing_w, arithmetic_s, speed.weights_read_s)

    def _end_reading(self, steps: int, at_s: float) -> list[Sequence]:
        """Take account of what was read; return the prompts that are read, each with its first token."""
        self._account(steps, at_s)
        read = [reader for reader in self._readers if reader.to_read == 0]
        self._readers = [reader for reader in self._readers if reader.to_read]
        for reader in read:
            reader.written += 1
            if self._prefixes is not None:
                self._prefixes.keep(reader.job.truth.blocks, self._server.kv_tokens - self._batch.context_tokens)
        return read

    def _account(self, steps: int, at_s: float) -> None:
        """Charge the readers, each by what it read of each step, and note how far they have come."""
        joules = self._watts * (at_s - self._since_s)
        self.reading_j += joules
        if len(self._portions) == 1:
            reader, portion = self._readers[0], self._portions[0] * steps
            reader.infer_j += joules
            reader.to_read -= portion
            reader.known += portion
            return
        tokens = sum(self._portions)
        for reader, portion in zip(self._readers, self._portions, strict=False):
            reader.infer_j += joules * portion / tokens
            reader.to_read -= portion * steps
            reader.known += portion * steps

    def _break_off_reading(self, at_s: float) -> None:
        """Stop the steps under way that read; the one under way must be made again."""
        if self._readers:
            made = self._batch.break_off(at_s) if self._batch.turn_at_s < inf else 0
            self._account(made, at_s)

    def _drop_reader(self, sequence: Sequence, at_s: float) -> None:
        if sequence in self._readers[len(self._portions) :]:
            # It has a slot, but the steps under way read others.
            self._readers.remove(sequence)
            return
        self._break_off_reading(at_s)
        self._readers.remove(sequence)
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
        """Let the newest writers give way until everybody else's next token fits; return the room there is."""
        while self._batch.size > 1 and self._server.kv_tokens - self._batch.context_tokens < self._batch.size:
            newest = self._batch.newest
            self._batch.drop(newest, at_s)
            newest.give_way()
            newest.place = Place.WAITING
            self._waiting.appendleft(newest)
        return max(self._server.kv_tokens - self._batch.context_tokens, self._batch.size)
