"""What one step of an engine takes at least: planes below its seconds and its joules.

A step writes one token for each of b sequences, which have `context` tokens in the cache together, and reads prompts
that take `reading` seconds of arithmetic. With weights w to read, arithmetic A = b * decode_token_s + reading and
memory traffic M = w + context * context_token_s, it lasts max(A + s M, M + s A) plus overheads, s the serial fraction:
each of the two rows is linear but for the overheads, which depend on b alone. Its joules are watts times that. Both are
bounded from below for every whole b: the lower convex hull of a function on whole numbers is a set of lines below it.

Where reading adds watts, joules are bounded on a fine grid of reading seconds: they grow with it, so what holds between
two points is their value at the left one less the plane's at the right one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perllm.costs.energy import decode_w, prefill_w
from perllm.costs.time import step_overheads_s
from perllm.domain.profile import Batching
from perllm.domain.server import Server

# Any choice of planes is valid: more of them only bring the bound nearer.
_PLANES: Final = 6
_GRID: Final = 4000
_READING_WATTS: Final = (1.0, 0.75, 0.5, 0.25)


class Plane(NamedTuple):
    """A step takes at least `step` + `token` for each sequence + `reading` for each second + `context` for each token.

    All but `step` are never negative, so that leaving work out only lowers the plane.
    """

    step: float
    token: float
    reading: float
    context: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of step: what it may do, planes below its seconds and its joules at a noise factor of 1.

    It draws at least `busy_w`, and `token_j` more for each sequence.
    """

    writes: bool
    reads: bool
    seconds: tuple[Plane, ...]
    joules: tuple[Plane, ...]
    busy_w: float
    token_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far steps can go: sequences in one, and the longest prompt with its answer, which may be read again."""

    sequences: int
    context_tokens: int


def kinds_of(server: Server, extent: Extent, *, shared: bool = False) -> tuple[Kind, ...]:
    """Return the kinds of steps of a server: reading apart from writing, or both in one.

    `shared`: others' requests are in the same steps and pay their part, so that ours owe no more than the least that
    one of a batch can owe.
    """
    steps = _Steps(server, extent)
    if server.batching is Batching.CHUNKED:
        kinds = [steps.kind(0, steps.most, reads=True)]
    else:
        kinds = [steps.kind(1, steps.most, reads=False), steps.kind(0, 0, reads=True)]
    return tuple(_in_part(kind, steps) if shared else kind for kind in kinds)


def _in_part(kind: Kind, steps: _Steps) -> Kind:
    """Return a kind of step of which our requests pay a part: of reading, which is shared by tokens, nothing."""
    token = steps.least_token_j if kind.writes else 0.0
    return replace(kind, joules=(Plane(0.0, token, 0.0, 0.0),), busy_w=0.0, token_j=0.0)


class _Steps:
    """The steps of one server: `most` is the largest batch."""

    def __init__(self, server: Server, extent: Extent) -> None:
        speed, power = server.speed, server.power
        self._speed = speed
        self._serial = speed.serial_fraction
        self.most = min(server.slots, extent.sequences)
        self._watts = np.array([decode_w(power, max(b, 1), server.slots) for b in range(self.most + 1)])
        self._overheads_s = np.array([step_overheads_s(speed, b) for b in range(self.most + 1)])
        self._writing_s = np.arange(self.most + 1) * speed.decode_token_s

        self._reading_w = prefill_w(power)
        tokens = max(server.step_tokens, extent.context_tokens)
        pairs = tokens * extent.context_tokens
        self._reading_s = np.linspace(0.0, tokens * speed.prefill_token_s + pairs * speed.attention_pair_s, _GRID)

    @property
    def least_token_j(self) -> float:
        """The least that one of a batch owes for a token."""
        return float(min(self._alone_j()[1:] / np.arange(1, self.most + 1)))

    def kind(self, least: int, most: int, *, reads: bool) -> Kind:
        """Return steps with `least` to `most` sequences."""
        # Watts are linear in sequences: those of one less than none, and the same again for each.
        more_w = max(float(self._watts[-1] - self._watts[1]) / max(self.most - 1, 1), 0.0)
        busy_w = max(float(self._watts.min()) - more_w, 0.0)
        token_j = more_w * float(max(points[1] for points, _, _ in self._rows())) if most and busy_w > 0.0 else 0.0
        joules = self.joules(least, most)
        return Kind(
            writes=most > 0,
            reads=reads,
            seconds=self.seconds(least, most),
            joules=(*joules, *self.reading_joules(least, most)) if reads else joules,
            busy_w=busy_w if most else float(self._watts.min()),
            token_j=token_j,
        )

    def seconds(self, least: int, most: int) -> tuple[Plane, ...]:
        """Planes below the seconds of steps with `least` to `most` sequences."""
        return tuple(
            Plane(step, token, reading, context)
            for points, reading, context in self._rows()
            for step, token in _below(points[least : most + 1], least)
        )

    def joules(self, least: int, most: int) -> tuple[Plane, ...]:
        """Planes below the joules of steps that draw at least what writing draws."""
        least_w = float(self._watts.min())
        return tuple(
            Plane(step, token, reading * least_w, context * least_w)
            for points, reading, context in self._rows()
            for step, token in _below((points * self._watts)[least : most + 1], least)
        )

    def reading_joules(self, least: int, most: int) -> tuple[Plane, ...]:
        """Planes below the joules of steps that read, for what reading draws beyond writing."""
        planes = []
        for share in _READING_WATTS if self._reading_w > float(self._watts.min()) else ():
            slope = share * self._reading_w
            points = np.array([self._less(b, slope) for b in range(least, most + 1)])
            planes += [Plane(step, token, slope, 0.0) for step, token in _below(points, least)]
        return tuple(planes)

    def _rows(self) -> Iterable[tuple[NDArray[np.float64], float, float]]:
        """The two rows of a step's seconds: by sequences, and what a second of reading and a token of context add."""
        speed, serial = self._speed, self._serial
        weights_s, context_s = speed.weights_read_s, speed.context_token_s
        yield weights_s + serial * self._writing_s + self._overheads_s, serial, context_s
        yield self._writing_s + serial * weights_s + self._overheads_s, 1.0, serial * context_s

    def _alone_j(self) -> NDArray[np.float64]:
        """Joules of steps that only write, without context."""
        memory, arithmetic = (points for points, _, _ in self._rows())
        joules: NDArray[np.float64] = self._watts * np.maximum(memory, arithmetic)
        return joules

    def _less(self, sequences: int, slope: float) -> float:
        """Return the least of a step's joules less `slope` for each second that it reads."""
        mixed = self._mixed_j(sequences)
        least = float(np.min(mixed[:-1] - slope * self._reading_s[1:])) if self._reading_s[-1] > 0.0 else inf
        return min(least, float(self._alone_j()[sequences])) if sequences else least

    def _mixed_j(self, sequences: int) -> NDArray[np.float64]:
        """Return the joules of a step that reads beside writing, on the grid, for the cheapest amount of context."""
        watts = self._watts[sequences]
        more_w = max(self._reading_w - watts, 0.0)
        arithmetic_s = self._writing_s[sequences] + self._reading_s
        rest_s = self._serial * arithmetic_s + self._overheads_s[sequences]
        weights_s = self._speed.weights_read_s
        # Where memory rules, watts * M + more_w * arithmetic * rest / M is least at a root; it rules from M = A on.
        root_s = np.sqrt(more_w * arithmetic_s * rest_s / watts) if watts > 0.0 else np.full_like(rest_s, 1e9)
        memory_s = np.maximum(np.maximum(root_s, arithmetic_s), max(weights_s, 1e-12))
        by_memory = (watts + more_w * arithmetic_s / memory_s) * (memory_s + rest_s)
        overheads_s = self._overheads_s[sequences]
        by_arithmetic = (watts + more_w) * (arithmetic_s + self._serial * weights_s + overheads_s)
        least: NDArray[np.float64] = np.where(
            arithmetic_s >= weights_s, np.minimum(by_memory, by_arithmetic), by_memory
        )
        return least


def _below(points: NDArray[np.float64], first: int) -> list[tuple[float, float]]:
    """Return (at zero, slope) of lines below the points at first, first + 1, … that never fall."""
    hull = _hull(points.tolist())
    lines = []
    for left, right in pairwise(hull):
        slope = (points[right] - points[left]) / (right - left)
        if slope > 0.0:
            lines.append((float(points[left] - slope * (left + first)), float(slope)))
    falls_not = 0 < len(lines) == len(hull) - 1
    lines = [lines[row] for row in sorted({round(x) for x in np.linspace(0, len(lines) - 1, _PLANES)})] if lines else []
    return lines if falls_not else [(float(points.min()), 0.0), *lines]


def _hull(values: Sequence[float]) -> list[int]:
    """Return the places of the lower convex hull of values at 0, 1, 2, …"""
    kept: list[int] = []
    for place, value in enumerate(values):
        while len(kept) > 1 and _above(values, kept[-2], kept[-1], place, value):
            kept.pop()
        kept.append(place)
    return kept


def _above(values: Sequence[float], before: int, middle: int, after: int, value: float) -> bool:
    """Whether the middle point lies on or above the line from the one before to the one after."""
    chord = values[before] + (value - values[before]) * (middle - before) / (after - before)
    return values[middle] >= chord
