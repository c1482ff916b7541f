"""What one more request would take on an engine if nothing else arrived: its work, gone through on a copy."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from copy import copy
from math import inf
from typing import NamedTuple

from perllm.simulation.batch import Batch
from perllm.simulation.processor import Processor
from perllm.simulation.sequence import Sequence


class Delayed(NamedTuple):
    """A sequence that is there already, and when it would have its last token without the newcomer and with it."""

    sequence: Sequence
    without_at_s: float
    with_at_s: float


class Rehearsed(NamedTuple):
    """When a newcomer had its first and its last token inside the engine, the joules it added, and whom it delayed."""

    first_at_s: float
    ended_at_s: float
    marginal_j: float
    delayed: list[Delayed]


def rehearse(processor: Processor, coming: Iterable[Sequence], newcomer: Sequence) -> Rehearsed:
    """Go through what an engine has to do, with the newcomer and without; the engine itself is not touched.

    `coming` are the sequences on their way to it, the newcomer not among them.
    """
    others = list(coming)
    with_it, without = _fork(processor), _fork(processor)
    first_at_s, ends = _play(with_it, [*others, newcomer], newcomer.number)
    _, earlier = _play(without, others, newcomer.number)
    delayed = [
        Delayed(sequence, at_s, ends[number][0])
        for number, (at_s, sequence) in earlier.items()
        if ends[number][0] > at_s
    ]
    return Rehearsed(first_at_s, ends[newcomer.number][0], with_it.spent_j - without.spent_j, delayed)


def _play(fork: Processor, arrivals: list[Sequence], number: int) -> tuple[float, dict[int, tuple[float, Sequence]]]:
    """Work until nothing is left; return when the sequence with this number had a first token, and all had a last."""
    first_at_s, ends = inf, dict[int, tuple[float, Sequence]]()
    coming = deque(copy(each) for each in sorted(arrivals, key=lambda each: (each.enters_at_s, each.number)))
    while coming or fork.turn_at_s < inf:
        at_s = fork.turn_at_s
        # Of equal instants, the end of the engine's own work comes first.
        if coming and coming[0].enters_at_s < at_s:
            fork.enter(coming[0], coming.popleft().enters_at_s)
            continue
        started, finished = fork.turn()
        if first_at_s == inf and any(each.number == number for each in started):
            first_at_s = at_s
        for each in finished:
            ends[each.number] = at_s, each
    return first_at_s, ends


def _fork(processor: Processor) -> Processor:
    """Copy an engine's work with its meters at nought, so that machines that are alike draw alike."""
    fork = copy(processor)
    fork._waiting = deque(copy(sequence) for sequence in processor._waiting)
    fork._readers = [copy(sequence) for sequence in processor._readers]
    fork._batch = _batch(processor._batch)
    fork._repose = copy(processor._repose)
    if processor._prefixes is not None:
        fork._prefixes = copy(processor._prefixes)
        fork._prefixes._blocks = processor._prefixes._blocks.copy()
    fork.reading_j = 0.0
    return fork


def _batch(batch: Batch) -> Batch:
    fork = copy(batch)
    fork._members = [(ends_at, number, copy(sequence)) for ends_at, number, sequence in batch._members]
    fork.meter = copy(batch.meter)
    fork.meter.spent_j = 0.0
    return fork
