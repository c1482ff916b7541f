"""An engine that makes one step after another and looks at everything before each: slow, plain, without a closed form.

It states the rules of the simulated engine a second time, so that the fast one can be held against them. There is no
link: what leaves the engine is known at once. No two things of a plan may happen at one instant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, prod
from typing import NamedTuple

from perllm.domain.profile import Batching, Rest
from perllm.domain.server import Server
from perllm.simulation.job import Truth
from perllm.simulation.trouble import Outage, Slowdown

BLOCK_TOKENS = 512


class Event(NamedTuple):
    """Something that is done to the engine. `what`: enter, abort, crash, sleep or wake."""

    at_s: float
    what: str
    number: int


@dataclass(eq=False)
class Guest:
    """A request inside, the `order`-th that came. `fate`: completed, aborted or failed."""

    order: int
    truth: Truth
    output_tokens: int
    unread: int
    known: int = 0
    cached: int = 0
    written: int = 0
    joules: float = 0.0
    first_at_s: float | None = None
    ended_at_s: float = inf
    fate: str = ""

    @property
    def context(self) -> int:
        return self.truth.prompt_tokens + self.written


@dataclass
class Step:
    """What is under way: the prompts' pieces that are read and the writers that get a token. Waking has neither."""

    ends_at_s: float
    charged_at_s: float
    pieces: list[tuple[Guest, int]] = field(default_factory=list)
    writers: list[Guest] = field(default_factory=list)
    reading_w: float = 0.0
    writing_w: float = 0.0


class StepwiseEngine:
    """Play a plan on it once; `guests` tell what became of each request."""

    def __init__(self, server: Server, slowdowns: Iterable[Slowdown] = (), outages: Iterable[Outage] = ()) -> None:
        self.server = server
        self.chunked = server.batching is Batching.CHUNKED
        self.slowdowns = tuple(slowdowns)
        self.outages = tuple(outages)
        self.guests: dict[int, Guest] = {}
        self.waiting: list[Guest] = []
        self.reading: list[Guest] = []
        self.writing: list[Guest] = []
        self.blocks: list[int] = []
        self.step: Step | None = None
        self.idle_from_s = 0.0
        self.idle_since_s = 0.0
        self.sent_at_s = inf
        self.rested_s: dict[Rest, float] = defaultdict(float)
        self.waking_j = 0.0

    def play(self, events: Sequence[Event], truths: Sequence[Truth]) -> None:
        """Let everything happen, and go on until nothing is left to do."""
        crashes = [Event(outage.from_s, "crash", -1) for outage in self.outages]
        done: dict[str, Callable[[float, int], None]] = {
            "enter": lambda at_s, number: self.enter(at_s, number, truths[number]),
            "abort": self.abort,
            "crash": self.crash,
            "sleep": self.sleep,
            "wake": self.wake,
        }
        for event in sorted([*events, *crashes]):
            self.step_until(event.at_s)
            done[event.what](event.at_s, event.number)
        self.step_until(inf)

    def step_until(self, until_s: float) -> None:
        while self.step is not None and self.step.ends_at_s <= until_s:
            self.end_step(self.step)

    # ---- what is done to it -------------------------------------------------------------------------------------

    def enter(self, at_s: float, number: int, truth: Truth) -> None:
        room = min(self.server.context_tokens, self.server.kv_tokens) - truth.prompt_tokens
        guest = Guest(len(self.guests), truth, min(truth.output_tokens, room), truth.prompt_tokens)
        self.guests[number] = guest
        if room < 1 or any(outage.from_s <= at_s < outage.to_s for outage in self.outages):
            self.leave(guest, at_s, "failed")
            return
        self.waiting.append(guest)
        if self.step is not None:
            return
        self.rise(at_s)

    def rise(self, at_s: float) -> None:
        """Wake, if at rest, and see what there is to do."""
        self.count_rest(at_s)
        rest = self.rest(at_s)
        self.sent_at_s = inf
        self.waking_j += rest.wake_j if rest else 0.0
        if rest and rest.wake_s > 0.0:
            self.blocks.clear()
            self.step = Step(at_s + rest.wake_s, at_s)
        else:
            self.begin(at_s)

    def abort(self, at_s: float, number: int) -> None:
        guest = self.guests.get(number)
        if guest is None or guest.fate:
            return
        step = self.step
        if step is not None:
            self.charge(step, at_s)
        self.remove(guest)
        self.leave(guest, at_s, "aborted")
        if step is None:
            return
        read = any(guest is reader for reader, _ in step.pieces)
        if guest in step.writers:
            step.writers.remove(guest)
            # Others go on with the step; when the last writer goes, what was read beside it is read again.
            if not step.writers:
                self.begin(at_s)
        elif read:
            self.begin(at_s)

    def crash(self, at_s: float, _: int) -> None:
        if self.step is not None:
            self.charge(self.step, at_s)
        else:
            self.count_rest(at_s)
        for guest in [*self.waiting, *self.reading, *self.writing]:
            self.remove(guest)
            self.leave(guest, at_s, "failed")
        self.blocks.clear()
        self.step = None
        self.idle_from_s, self.idle_since_s = at_s, -inf

    def remove(self, guest: Guest) -> None:
        for place in (self.waiting, self.reading, self.writing):
            if guest in place:
                place.remove(guest)

    def leave(self, guest: Guest, at_s: float, fate: str) -> None:
        guest.ended_at_s, guest.fate = at_s, fate

    # ---- what it does when it does nothing ----------------------------------------------------------------------

    def rest(self, at_s: float) -> Rest | None:
        """Return the deepest rest into which an idle machine has fallen; one that crashed is there at once."""
        fallen = [rest for rest in self.server.rests if at_s >= self.falls_at_s(rest)]
        return fallen[-1] if fallen else None

    def falls_at_s(self, rest: Rest) -> float:
        """Return when an idle machine falls into a rest: by itself, or because it was told to."""
        if self.idle_since_s == -inf:
            return -inf
        by_itself_s = inf if rest.after_s is None else self.idle_since_s + rest.after_s
        return min(by_itself_s, self.sent_at_s) if rest.on_command else by_itself_s

    def sleep(self, at_s: float, _: int) -> None:
        """Obey a command to sleep, unless there is something to do."""
        if self.step is None and self.sent_at_s == inf:
            self.count_rest(at_s)
            self.idle_from_s = self.sent_at_s = at_s

    def wake(self, at_s: float, _: int) -> None:
        """Obey a command to wake, if at rest."""
        if self.step is None and self.rest(at_s) is not None:
            self.rise(at_s)

    def count_rest(self, until_s: float) -> None:
        """Add up the time in each rest since it became idle, piece by piece."""
        falls_at_s = [self.falls_at_s(rest) for rest in self.server.rests]
        cuts = [self.idle_from_s, *(at_s for at_s in falls_at_s if self.idle_from_s < at_s < until_s), until_s]
        for earlier_s, later_s in pairwise(cuts):
            rest = self.rest((earlier_s + later_s) / 2)
            if rest is not None:
                self.rested_s[rest] += later_s - earlier_s

    def idle_joules(self, now_s: float) -> tuple[float, float, float]:
        """Return what was drawn while powered, at rest and for waking, by an instant at which it does nothing."""
        self.count_rest(now_s)
        resting_j = sum(rest.watts * rested_s for rest, rested_s in self.rested_s.items())
        powered_s = now_s - sum(self.rested_s.values())
        return self.server.power.idle_w * powered_s, resting_j, self.waking_j

    # ---- one step -----------------------------------------------------------------------------------------------

    def begin(self, at_s: float) -> None:
        """Choose what the next step does."""
        self.admit()
        if self.chunked or not self.reading:
            self.make_room()
        pieces = self.pieces()
        writers = [] if pieces and not self.chunked else list(self.writing)
        if not pieces and not writers:
            self.step = None
            self.idle_from_s = self.idle_since_s = at_s
            return
        duration_s, reading_w, writing_w = self.physics(pieces, writers, at_s)
        self.step = Step(at_s + duration_s, at_s, pieces, writers, reading_w, writing_w)

    def admit(self) -> None:
        while self.waiting and self.fits(self.waiting[0]):
            guest = self.waiting.pop(0)
            guest.known = self.hits(guest)
            self.use(guest.truth.blocks)
            guest.unread = guest.context - guest.known
            if not guest.written:
                guest.cached = guest.known
            self.reading.append(guest)

    def fits(self, guest: Guest) -> bool:
        inside = [*self.reading, *self.writing]
        slot = len(inside) < self.server.slots
        cache = sum(other.context for other in inside) + guest.context < self.server.kv_tokens
        unread = guest.context - self.hits(guest)
        packed = not self.reading or unread + sum(other.unread for other in self.reading) <= self.server.step_tokens
        return slot and cache and (self.chunked or packed)

    def make_room(self) -> None:
        """Let the newest give way until the token that each writer is about to write fits."""
        inside = [*self.reading, *self.writing]
        while len(inside) > 1 and sum(guest.context for guest in inside) + len(self.writing) > self.server.kv_tokens:
            newest = max(inside, key=lambda guest: guest.order)
            self.remove(newest)
            self.waiting.insert(0, newest)
            inside.remove(newest)

    def pieces(self) -> list[tuple[Guest, int]]:
        """Cut what the step reads of each prompt."""
        if not self.chunked:
            return [(guest, guest.unread) for guest in self.reading]
        room = max(self.server.step_tokens - len(self.writing), 1)
        pieces = []
        for guest in self.reading:
            piece = min(guest.unread, room)
            room -= piece
            if piece:
                pieces.append((guest, piece))
        return pieces

    def physics(self, pieces: list[tuple[Guest, int]], writers: list[Guest], at_s: float) -> tuple[float, float, float]:
        """Return how long the step takes, and the watts of reading and of writing."""
        speed = self.server.speed
        tokens = sum(piece for _, piece in pieces)
        pairs = sum(piece * (guest.known + piece / 2) for guest, piece in pieces)
        reading_s = tokens * speed.prefill_token_s + pairs * speed.attention_pair_s
        writing_s = len(writers) * speed.decode_token_s
        memory_s = speed.weights_read_s + sum(guest.context for guest in writers) * speed.context_token_s
        overhead_s = speed.step_overhead_s + len(writers) * speed.sequence_overhead_s
        overhead_s += speed.batching_overhead_s if len(writers) > 1 else 0.0
        factors = [guest.truth.service_factor for guest in [*writers, *(guest for guest, _ in pieces)]]
        pace = prod(slow.factor for slow in self.slowdowns if slow.from_s <= at_s < slow.to_s)
        scale = pace * sum(factors) / len(factors)
        step_s = self.beside(reading_s + writing_s, memory_s) + overhead_s
        alone_s = self.beside(writing_s, memory_s) + overhead_s
        power = self.server.power
        writing_w = self.writing_w(len(writers))
        if not pieces:
            return step_s * scale, 0.0, writing_w
        floor_w = self.writing_w(max(len(writers), 1))
        busy = min((reading_s + writing_s) / memory_s, 1.0) if memory_s else 1.0
        step_w = max(floor_w + (power.prefill_w - power.idle_w - floor_w) * busy, floor_w)
        # Writers pay what writing alone would have cost them.
        paid_w = writing_w * alone_s / step_s
        return step_s * scale, step_w - paid_w, paid_w

    def beside(self, arithmetic_s: float, memory_s: float) -> float:
        """Return how long both take: of the shorter, a fraction does not hide behind the longer."""
        return max(arithmetic_s, memory_s) + self.server.speed.serial_fraction * min(arithmetic_s, memory_s)

    def writing_w(self, writers: int) -> float:
        power, slots = self.server.power, self.server.slots
        if not writers:
            return 0.0
        full = (writers - 1) / (slots - 1) if slots > 1 else 0.0
        return power.decode_w - power.idle_w + (power.decode_full_w - power.decode_w) * full

    def charge(self, step: Step, at_s: float) -> None:
        """Share what was drawn since the last time: writers alike, readers by what is read of them."""
        elapsed_s = at_s - step.charged_at_s
        step.charged_at_s = at_s
        for guest in step.writers:
            guest.joules += step.writing_w * elapsed_s / len(step.writers)
        tokens = sum(piece for _, piece in step.pieces)
        for guest, piece in step.pieces:
            guest.joules += step.reading_w * elapsed_s * piece / tokens

    def end_step(self, step: Step) -> None:
        at_s = step.ends_at_s
        self.charge(step, at_s)
        for guest in step.writers:
            guest.written += 1
            self.complete(guest, at_s)
        kept_room = self.server.kv_tokens - sum(guest.context for guest in self.writing)
        for guest, piece in step.pieces:
            guest.unread -= piece
            guest.known += piece
            if guest.unread == 0:
                self.reading.remove(guest)
                self.keep(guest.truth.blocks, guest.truth.block_tokens, kept_room)
                self.writing.append(guest)
                guest.written += 1
                guest.first_at_s = at_s if guest.first_at_s is None else guest.first_at_s
                self.complete(guest, at_s)
        self.keep_answers(step)
        self.begin(at_s)

    def complete(self, guest: Guest, at_s: float) -> None:
        if guest.written == guest.output_tokens:
            self.writing.remove(guest)
            self.leave(guest, at_s, "completed")

    def keep_answers(self, step: Step) -> None:
        """Keep the texts that have just been finished, those of writers before those that were only read."""
        room_tokens = self.server.kv_tokens - sum(guest.context for guest in self.writing)
        writers = sorted(step.writers, key=lambda guest: guest.order)
        for guest in [*writers, *(guest for guest, _ in step.pieces)]:
            truth = guest.truth
            if guest.written == guest.output_tokens and truth.answer_blocks:
                self.keep([*truth.blocks, *truth.answer_blocks], truth.block_tokens, room_tokens)

    # ---- what it still has of earlier prompts -------------------------------------------------------------------

    def hits(self, guest: Guest) -> int:
        """Count the tokens at the start of a prompt that need not be read."""
        blocks = guest.truth.blocks if self.server.caches_prefixes else ()
        hits = next((place for place, block in enumerate(blocks) if block not in self.blocks), len(blocks))
        return min(hits * guest.truth.block_tokens, guest.truth.prompt_tokens - 1)

    def use(self, blocks: Sequence[int]) -> None:
        """Make these the last used ones, the start of the prompt last of all: without it the rest is of no use."""
        known = [block for block in reversed(blocks) if block in self.blocks]
        self.blocks = [block for block in self.blocks if block not in known] + known

    def keep(self, blocks: Sequence[int], block_tokens: int, room_tokens: int) -> None:
        if self.server.caches_prefixes:
            self.blocks += [block for block in blocks if block not in self.blocks]
            self.use(blocks)
            fitting = max(room_tokens, 0) // block_tokens
            del self.blocks[: max(len(self.blocks) - fitting, 0)]
