"""The sequences an engine decodes together, stepped in closed form between the instants at which the batch changes."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import ceil, inf

from perllm.costs.attribution import OccupancyMeter
from perllm.costs.energy import decode_w
from perllm.costs.time import decode_step_s
from perllm.domain.profile import PowerProfile, SpeedProfile
from perllm.simulation.sequence import Sequence


class DecodeBatch:
    """Every step gives every member one token and lasts `decode_step_s` times the members' mean service factor.

    Steps are whole: who joins or leaves does so between two of them, at `turn_at_s`, which is infinite while nothing
    decodes. Only an aborted member leaves at once; the step under way goes on without it.
    """

    __slots__ = (
        "_factors", "_members", "_meter", "_planned", "_since_s", "_step_s", "_steps", "_table_s", "_watts",
        "turn_at_s",
    )  # fmt: skip

    def __init__(self, speed: SpeedProfile, power: PowerProfile, slots: int) -> None:
        self._table_s = tuple(decode_step_s(speed, size) for size in range(slots + 1))
        self._watts = tuple(decode_w(power, size, slots) for size in range(slots + 1))
        self._meter = OccupancyMeter()
        self._members: list[tuple[int, int, Sequence]] = []
        self._factors = 0.0
        self._steps = 0
        self._planned = 0
        self._since_s = 0.0
        self._step_s = inf
        self.turn_at_s = inf

    def __len__(self) -> int:
        return len(self._members)

    @property
    def spent_j(self) -> float:
        """Joules above idle that decoding has drawn so far."""
        return self._meter.spent_j

    def join(self, sequence: Sequence, at_s: float) -> None:
        """Take in a sequence between two steps; it has all but its first token still to come."""
        tokens = sequence.job.truth.output_tokens - 1
        sequence.steps_before = self._steps - 1
        heappush(self._members, (self._steps + tokens, sequence.number, sequence))
        self._factors += sequence.job.truth.service_factor
        self._meter.join(sequence.attempt_id, at_s)

    def run(self, at_s: float) -> None:
        """Decode from now on, until the first member has all its tokens."""
        size = len(self._members)
        self._meter.advance(at_s)
        self._meter.watts = self._watts[size]
        self._plan(at_s)

    def interrupt(self, at_s: float) -> None:
        """Stop at the first end of a step that is not before `at_s`."""
        steps = self._steps_until(at_s)
        if steps < self._planned:
            self._planned = steps
            self.turn_at_s = self._since_s + steps * self._step_s

    def pause(self) -> list[Sequence]:
        """Stop at the turn; return the members that have all their tokens, which leave."""
        at_s = self.turn_at_s
        self._steps += self._planned
        self.turn_at_s = inf
        self._meter.advance(at_s)
        self._meter.watts = 0.0
        finished = []
        while self._members and self._members[0][0] <= self._steps:
            finished.append(self._leave(heappop(self._members)[2], at_s))
        return finished

    def abort(self, sequence: Sequence, at_s: float) -> None:
        """Drop a member at once, in the midst of a step or while prompts are read."""
        self._members = [member for member in self._members if member[2] is not sequence]
        heapify(self._members)
        self._leave(sequence, at_s)
        if self.turn_at_s == inf:
            return
        steps = self._steps_until(at_s)
        self._steps += steps
        self._meter.watts = self._watts[len(self._members)]
        self._plan(self._since_s + steps * self._step_s)

    def clear(self, at_s: float) -> list[Sequence]:
        """Drop all members at once and return them."""
        dropped = [self._leave(member[2], at_s) for member in sorted(self._members)]
        self._members = []
        self._meter.watts = 0.0
        self.turn_at_s = inf
        return dropped

    def tokens(self, sequence: Sequence, at_s: float) -> int:
        """Count the tokens a member has by now, its first included."""
        steps = self._steps
        if self.turn_at_s < inf and at_s > self._since_s:
            steps += int((at_s - self._since_s) / self._step_s)
        return steps - sequence.steps_before

    def _plan(self, at_s: float) -> None:
        size = len(self._members)
        self._since_s = at_s
        if size == 0:
            self.turn_at_s = inf
            return
        self._step_s = self._table_s[size] * (self._factors / size)
        self._planned = self._members[0][0] - self._steps
        self.turn_at_s = at_s + self._planned * self._step_s

    def _steps_until(self, at_s: float) -> int:
        """Count the steps of the present run up to the first end of a step that is not before `at_s`."""
        if at_s <= self._since_s:
            return 0
        steps = ceil((at_s - self._since_s) / self._step_s)
        # The division may have rounded down across a whole number.
        return steps if self._since_s + steps * self._step_s >= at_s else steps + 1

    def _leave(self, sequence: Sequence, at_s: float) -> Sequence:
        sequence.infer_j += self._meter.leave(sequence.attempt_id, at_s)
        self._factors -= sequence.job.truth.service_factor
        if self._meter.occupants == 0:
            # Sums of floats drift by rounding: an empty batch starts afresh.
            self._factors = 0.0
        return sequence
