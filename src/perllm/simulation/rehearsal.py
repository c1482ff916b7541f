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


class Rehearsed(NamedTuple):
    """When a sequence had its first and its last token inside the engine, and the joules it added to what is drawn."""

    first_at_s: float
    ended_at_s: float
    marginal_j: float


def rehearse(processor: Processor, coming: Iterable[Sequence], newcomer: Sequence) -> Rehearsed:
    """Go through what an engine has to do, with the newcomer and without; the engine itself is not touched.

    `coming` are the sequences on their way to it, the newcomer not among them.
    """
    others = list(coming)
    with_it, without = _fork(processor), _fork(processor)
    first_at_s, ended_at_s = _play(with_it, [*others, newcomer], newcomer.number)
    _play(without, others, newcomer.number)
    return Rehearsed(first_at_s, ended_at_s, with_it.spent_j - without.spent_j)


def _play(fork: Processor, arrivals: list[Sequence], number: int) -> tuple[float, float]:
    """Work until nothing is left; return when the sequence with this number had its first token and its last."""
    first_at_s = ended_at_s = inf
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
        if any(each.number == number for each in finished):
            ended_at_s = at_s
    return first_at_s, ended_at_s


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
