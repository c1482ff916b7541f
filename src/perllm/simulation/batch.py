"""The sequences an engine writes together, stepped in closed form between the instants at which the batch changes."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf

from msgspec import Struct

from perllm.costs.attribution import OccupancyMeter
from perllm.costs.energy import decode_w, mixed_w, prefill_w
from perllm.costs.steps import Steps
from perllm.costs.time import busy_s, step_overheads_s
from perllm.domain.server import Server
from perllm.simulation.sequence import Sequence


class Portion(Struct, frozen=True, gc=False):
    """What a step reads beside writing: tokens, pairs to attend to, and the readers' noise factors."""

    tokens: float
    pairs: float
    factors: float
    readers: int


class Batch:
    """Every step gives every member one token. Steps are whole: who joins or leaves does so between two of them.

    `size` counts the members. `turn_at_s` is the end of the steps under way, infinite while nothing is written. A
    step's time is that of `costs.steps` times the mean of its sequences' own factors, times the pace of the machine.
    """

    __slots__ = (
        "_arithmetic_s", "_context_token_s", "_factors", "_members", "_overhead_s", "_planned", "_reading_w", "_run",
        "_since_s", "_speed", "_steps", "_watts", "context_tokens", "meter", "size", "turn_at_s",
    )  # fmt: skip

    def __init__(self, server: Server) -> None:
        speed, power, sizes = server.speed, server.power, range(server.slots + 1)
        self._speed = speed
        self._context_token_s = speed.context_token_s
        self._arithmetic_s = tuple(size * speed.decode_token_s for size in sizes)
        self._overhead_s = tuple(step_overheads_s(speed, size) for size in sizes)
        self._watts = tuple(decode_w(power, size, server.slots) for size in sizes)
        self._reading_w = prefill_w(power)
        self.meter = OccupancyMeter()
        self._members: list[tuple[int, int, Sequence]] = []
        self.size = 0
        self.context_tokens = 0
        self._factors = 0.0
        self._steps = 0
        self._run = Steps(0.0, 0.0, 0.0, 0.0)
        self._planned = 0
        self._since_s = 0.0
        self.turn_at_s = inf

    @property
    def newest(self) -> Sequence:
        """The member that was sent last."""
        return max(self._members, key=lambda member: member[1])[2]

    def join(self, sequence: Sequence, at_s: float) -> None:
        """Take in a sequence between two steps; reading its prompt has given it a token."""
        sequence.steps_before = self._steps - sequence.written
        heappush(self._members, (sequence.steps_before + sequence.output_tokens, sequence.number, sequence))
        self.context_tokens += sequence.context_tokens
        self._factors += sequence.job.truth.service_factor
        self.size += 1
        sequence.level_j = self.meter.join(at_s)

    def write(self, at_s: float, pace: float, room_tokens: int) -> None:
        """Write from now on, until the first member has all its tokens or the cache is full."""
        size = self.size
        scale = pace * self._factors / size
        memory_s = self._speed.weights_read_s + self.context_tokens * self._context_token_s
        self._run = Steps(
            self._arithmetic_s[size] * scale,
            memory_s * scale,
            size * self._context_token_s * scale,
            self._overhead_s[size] * scale,
            self._speed.serial_fraction,
        )
        self.meter.advance(at_s)
        self.meter.watts = self._watts[size]
        self._begin(at_s, min(self._members[0][0] - self._steps, room_tokens // size))

    def write_beside(self, at_s: float, pace: float, portion: Portion) -> float:
        """Write and read in the same step; return the watts that reading adds, which belong to the readers.

        The members go on paying what writing alone would have cost them.
        """
        speed, size = self._speed, self.size
        scale = pace * (self._factors + portion.factors) / (size + portion.readers)
        reading_s = portion.tokens * speed.prefill_token_s + portion.pairs * speed.attention_pair_s
        writing_s, overhead_s = self._arithmetic_s[size], self._overhead_s[size]
        memory_s = speed.weights_read_s + self.context_tokens * self._context_token_s
        arithmetic_s = writing_s + reading_s
        self._run = Steps(arithmetic_s * scale, memory_s * scale, 0.0, overhead_s * scale, speed.serial_fraction)
        # With nobody writing, a prompt too short for its arithmetic to rule draws what one writer does.
        watts = mixed_w(self._reading_w, self._watts[max(size, 1)], arithmetic_s, memory_s)
        alone_s, together_s = busy_s(speed, writing_s, memory_s), busy_s(speed, arithmetic_s, memory_s)
        alone = (alone_s + overhead_s) / (together_s + overhead_s)
        self.meter.advance(at_s)
        self.meter.watts = self._watts[size] * alone
        self._begin(at_s, 1)
        return watts - self.meter.watts

    def interrupt(self, at_s: float) -> None:
        """Stop at the first end of a step that is not before `at_s`."""
        steps = self._run.until(at_s - self._since_s)
        if steps < self._planned:
            self._begin(self._since_s, steps)

    def pause(self, at_s: float) -> list[Sequence]:
        """Stop at the turn; return the members that have all their tokens, who leave."""
        made = self._planned
        self._steps += made
        self.context_tokens += made * self.size
        self.turn_at_s = inf
        self.meter.advance(at_s)
        self.meter.watts = 0.0
        finished = []
        while self._members and self._members[0][0] <= self._steps:
            finished.append(self._leave(heappop(self._members)[2], 0, at_s))
        return finished

    def drop(self, sequence: Sequence, at_s: float) -> None:
        """Let a member go at once. The step under way goes on without it; with nobody left it stops."""
        made = self._made(at_s)
        self._members = [member for member in self._members if member[2] is not sequence]
        heapify(self._members)
        self._leave(sequence, made, at_s)
        if not self._members:
            self.stop(at_s)
        elif self.turn_at_s < inf:
            self.interrupt(at_s)

    def stop(self, at_s: float) -> None:
        """Break off the step under way."""
        self.meter.advance(at_s)
        self.meter.watts = 0.0
        self.turn_at_s = inf

    def clear(self, at_s: float) -> list[Sequence]:
        """Drop all members at once and return them."""
        made = self._made(at_s)
        dropped = [self._leave(member[2], made, at_s) for member in sorted(self._members)]
        self._members = []
        self.stop(at_s)
        return dropped

    def tokens(self, sequence: Sequence, at_s: float) -> int:
        """Count the tokens a member has by now, its first included."""
        return self._steps + self._made(at_s) - sequence.steps_before

    def _begin(self, at_s: float, steps: int) -> None:
        self._since_s = at_s
        self._planned = steps
        self.turn_at_s = at_s + self._run.total_s(steps)

    def _made(self, at_s: float) -> int:
        """Count the steps of the present run that are over by now."""
        return min(self._run.within(at_s - self._since_s), self._planned) if self.turn_at_s < inf else 0

    def _leave(self, sequence: Sequence, made: int, at_s: float) -> Sequence:
        """Settle a member's account; `made` steps of the present run are not in the batch's count yet."""
        sequence.written = self._steps + made - sequence.steps_before
        sequence.context_tokens = sequence.job.truth.prompt_tokens + sequence.written
        sequence.infer_j += self.meter.leave(at_s, sequence.level_j)
        self.context_tokens -= sequence.context_tokens - made
        self.size -= 1
        # Sums of floats drift by rounding: an empty batch starts afresh.
        self._factors = self._factors - sequence.job.truth.service_factor if self.size else 0.0
        return sequence
