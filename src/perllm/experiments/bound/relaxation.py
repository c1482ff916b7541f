"""The fluid program: every schedule that is in time often enough is one of its points, at no more than its joules.

Take any schedule, and of each request in time the attempt that succeeded. Cut every step of an engine at the edges of
the buckets into pieces by its time. Set x = 1 for the pair, y and r to the pieces in which it wrote and read, n to the
pieces of steps, m to them times their noise factors, seconds and joules to what they took. All rows below hold:

- Who is in a step is in it once: y <= n, r <= n, and where steps do both, y + r <= n.
- A step's factor is the mean of its sequences': n times the least of all, and for each that was in it what it has above
  that, over the most sequences that there can be. From above likewise.
- Seconds and joules of a step lie above the planes of `planes`, scaled by the factor and the least pace. Only what a
  factor multiplies is not linear: sequences times a mean over these same sequences are the sum of their factors; all
  else counts with the least factor. Leaving out what late, failed and cancelled attempts added only lowers planes.
- Steps come one after the other: their seconds fit the bucket, less outages.
- A server does not pause between entry and end of a request: it is busy for as long as reading and writing without a
  pause have in common with a bucket, however late they begin. Its watts are linear in the sequences of a step: the
  constant part for all these seconds, the rest for every token for the seconds of a step alone.
- Slots, cache and step tokens hold in each step, hence in their sum. So do windows: nothing is read before it is there,
  written before it is read, or later than an answer in time allows.
- In time were the requests that the attainment asks for.

What is relaxed: fractions of requests, order within a bucket, queues on links, idle steps between, contexts beyond the
prompt, waking machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from perllm.experiments.bound.grid import Floats, Grid, Idle, Places, busy_s
from perllm.experiments.bound.instance import Instance, Machine
from perllm.experiments.bound.planes import Kind
from perllm.experiments.bound.program import Program

# Longer spans than so many buckets say little more.
_SPANS: Final = 8
_WORTH_S: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """A program and where its columns stand: shares of pairs, and by cell what is written and read there.

    `attainment` is the row whose limit is minus what is needed.
    """

    program: Program
    served: Places
    written: Places
    read: Places
    attainment: int


def relaxation_of(instance: Instance, grid: Grid, idle: Idle, attainment: float) -> Relaxation:
    """Write down the program for one attainment."""
    program, pairs = Program(), instance.pairs
    transmit_j = np.array([pair.transmit_j for pair in pairs])
    cells = len(grid.pair)
    layout = _Layout(
        served=program.add(len(pairs), transmit_j), written=program.add(cells), read=program.add(cells), grid=grid
    )
    facts = _Facts(instance)
    row = program.rows
    _serve(program, instance, layout, attainment)
    _finish(program, layout, facts)
    for number, machine in enumerate(instance.machines):
        spots = np.flatnonzero(grid.machine == number)
        if len(spots):
            _work(program, instance, machine, spots, layout, facts, idle.working_w[number])
    return Relaxation(program=program, served=layout.served, written=layout.written, read=layout.read, attainment=row)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    served: Places
    written: Places
    read: Places
    grid: Grid


class _Facts:
    """Columns of what is known of pairs."""

    def __init__(self, instance: Instance) -> None:
        pairs = instance.pairs
        self.tokens = np.array([float(pair.tokens) for pair in pairs])
        self.prompt_tokens = np.array([float(pair.prompt_tokens) for pair in pairs])
        self.reading_s = np.array([pair.reading_s for pair in pairs])
        self.context = np.array([float(pair.context) for pair in pairs])
        self.factor = np.array([pair.factor for pair in pairs])
        self.yields = np.array([instance.machines[pair.machine].yields for pair in pairs], dtype=bool)


def _serve(program: Program, instance: Instance, layout: _Layout, attainment: float) -> None:
    """Enough requests are in time, each of them once."""
    job = np.array([pair.job for pair in instance.pairs], dtype=np.intp)
    weights = np.array([instance.weight(number, attainment) for number in job.tolist()])
    program.at_most(1, -instance.needed(attainment), (np.zeros(len(job)), layout.served, -weights))
    program.at_most(len(instance.arrivals), 1.0, (job, layout.served, 1.0))


def _finish(program: Program, layout: _Layout, facts: _Facts) -> None:
    """Who is served is read and written, inside its window and in this order."""
    grid, count = layout.grid, len(facts.tokens)
    pair, everyone = grid.pair, np.arange(count)
    reads, writes = np.flatnonzero(grid.reads), np.flatnonzero(grid.writes > 0.0)
    program.at_most(count, 0.0, (everyone, layout.served, 1.0), (pair[reads], layout.read[reads], -1.0))
    again = reads[facts.yields[pair[reads]]]
    program.at_most(
        count,
        0.0,
        (everyone, layout.served, facts.tokens + facts.yields),
        (pair[writes], layout.written[writes], -1.0),
        (pair[again], layout.read[again], -1.0),
    )
    capped = writes[grid.writes[writes] < facts.tokens[pair[writes]]]
    rows = np.arange(len(capped))
    program.at_most(
        len(capped),
        0.0,
        (rows, layout.written[capped], 1.0),
        (rows, layout.served[pair[capped]], -grid.writes[capped]),
    )
    _read_before(program, layout, facts, writes)


def _read_before(program: Program, layout: _Layout, facts: _Facts, writes: Places) -> None:
    """By the end of each bucket, no more is written than has been read, token for token."""
    grid = layout.grid
    first = np.searchsorted(grid.pair, grid.pair[writes])
    spans = writes - first + 1
    rows = np.repeat(np.arange(len(writes)), spans)
    cells = np.arange(len(rows)) - np.repeat(np.cumsum(spans) - spans, spans) + first[rows]
    program.at_most(
        len(writes),
        0.0,
        (rows, layout.written[cells], 1.0),
        (rows, layout.read[cells], -facts.tokens[grid.pair[cells]]),
    )


def _work(
    program: Program,
    instance: Instance,
    machine: Machine,
    spots: Places,
    layout: _Layout,
    facts: _Facts,
    working_w: float,
) -> None:
    """One server: its steps carry what is written and read, and fit into time."""
    grid, count = layout.grid, len(spots)
    local = np.full(len(grid.machine), -1)
    local[spots] = np.arange(count)
    at = local[grid.spot]
    writes, reads = np.flatnonzero((at >= 0) & (grid.writes > 0.0)), np.flatnonzero((at >= 0) & grid.reads)
    seconds = []
    for kind in machine.kinds:
        here = _Here(
            machine=machine,
            kind=kind,
            count=count,
            at=at,
            writes=writes if kind.writes else writes[:0],
            reads=reads if kind.reads else reads[:0],
            steps=program.add(count),
        )
        _carry(program, here, layout, facts)
        seconds.append(_cost(program, here, layout, facts, working_w))
    everywhere = np.arange(count)
    program.at_most(count, grid.available_s[spots], *((everywhere, each, 1.0) for each in seconds))
    _go_on(program, instance, layout, at, seconds)


def _go_on(program: Program, instance: Instance, layout: _Layout, at: Places, seconds: list[Places]) -> None:
    """Serving a pair keeps a server busy in every span, for as long as it must whenever it begins."""
    grid = layout.grid
    spans_s: dict[int, Floats] = {}
    last = np.searchsorted(grid.pair, grid.pair, side="right")
    for buckets in range(1, _SPANS + 1):
        least_s = busy_s(instance, grid, buckets)
        here = np.flatnonzero((at >= 0) & (np.arange(len(at)) + buckets <= last))
        # What shorter spans say already need not be said again.
        parts_s = _best_split(spans_s, buckets)
        spans_s[buckets] = least_s
        here = here[least_s[here] > np.broadcast_to(parts_s, at.shape)[here] + _WORTH_S]
        rows = np.arange(len(here))
        spent = [(rows, each[at[here + step]], -1.0) for each in seconds for step in range(buckets)]
        program.at_most(len(here), 0.0, (rows, layout.served[grid.pair[here]], least_s[here]), *spent)


def _best_split(spans_s: dict[int, Floats], buckets: int) -> Floats:
    """Return what two shorter spans, one after the other, say of a longer one."""
    best = np.zeros(len(spans_s[1]) if spans_s else 1)
    for first in range(1, buckets):
        rest = np.concatenate([spans_s[buckets - first], np.zeros(first)])[first:]
        best = np.maximum(best, spans_s[first] + rest)
    return best


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """One kind of step on one server: its cells, where they meet, and the columns that count steps."""

    machine: Machine
    kind: Kind
    count: int
    at: Places
    writes: Places
    reads: Places
    steps: Places


def _carry(program: Program, here: _Here, layout: _Layout, facts: _Facts) -> None:
    """Each request is in a step once, and all that are in it fit."""
    server, pair = here.machine.server, layout.grid.pair
    everywhere, writes, reads = np.arange(here.count), here.writes, here.reads
    both = here.kind.writes and here.kind.reads
    cells = np.union1d(writes, reads)
    row = np.full(len(pair), -1)
    row[cells] = np.arange(len(cells))
    pieces = np.maximum(facts.prompt_tokens[pair[reads]] / server.step_tokens, 1.0) if both else 1.0
    program.at_most(
        len(cells),
        0.0,
        (row[writes], layout.written[writes], 1.0),
        (row[reads], layout.read[reads], pieces),
        (np.arange(len(cells)), here.steps[here.at[cells]], -1.0),
    )
    written = (here.at[writes], layout.written[writes], 1.0)
    program.at_most(here.count, 0.0, written, (everywhere, here.steps, -here.machine.sequences))
    in_cache = (here.at[writes], layout.written[writes], facts.context[pair[writes]])
    program.at_most(here.count, 0.0, in_cache, (everywhere, here.steps, -server.kv_tokens))
    most = max(server.step_tokens, server.slots + 1) if both else server.step_tokens
    tokens = facts.prompt_tokens[pair[reads]]
    read = (here.at[reads], layout.read[reads], tokens if both else np.minimum(tokens, most))
    program.at_most(here.count, 0.0, *((written, read) if both else (read,)), (everywhere, here.steps, -most))


def _cost(program: Program, here: _Here, layout: _Layout, facts: _Facts, working_w: float) -> Places:
    """Steps take seconds and joules; return the columns of the seconds."""
    machine, count, pair = here.machine, here.count, layout.grid.pair
    least, most = machine.factors
    exact = here.kind.writes and not here.kind.reads and not machine.shared
    cells, columns = (here.writes, layout.written) if here.kind.writes else (here.reads, layout.read)
    factors = facts.factor[pair[cells]]
    everywhere, at = np.arange(count), here.at[cells]
    factor = program.add(count)
    above, below = (factors - least) / machine.sequences, (most - factors) / machine.sequences
    own = (everywhere, factor, 1.0)
    minus = (everywhere, factor, -1.0)
    program.at_most(count, 0.0, minus, (everywhere, here.steps, least), (at, columns[cells], above))
    program.at_most(count, 0.0, own, (everywhere, here.steps, -most), (at, columns[cells], below))
    weighed = facts.factor[pair[here.writes]] if exact else np.full(len(here.writes), least)
    sums = (
        _sum(program, here, layout.written[here.writes], here.writes, weighed),
        _sum(program, here, layout.read[here.reads], here.reads, least * facts.reading_s[pair[here.reads]]),
        _sum(program, here, layout.written[here.writes], here.writes, least * facts.context[pair[here.writes]]),
    )
    seconds, joules = program.add(count, working_w), program.add(count, 1.0)
    for planes, column in ((here.kind.seconds, seconds), (here.kind.joules, joules)):
        for plane in planes:
            parts = zip((factor, *sums), plane, strict=True)
            terms = [(everywhere, places, machine.pace * value) for places, value in parts if value]
            program.at_most(count, 0.0, (everywhere, column, -1.0), *terms)
    drawn = ((everywhere, seconds, here.kind.busy_w), (everywhere, sums[0], machine.pace * here.kind.token_j))
    program.at_most(count, 0.0, (everywhere, joules, -1.0), *drawn)
    return seconds


def _sum(program: Program, here: _Here, columns: Places, cells: Places, factors: Floats) -> Places:
    """Add a column for each spot that is at least the sum of its cells' columns times their factors."""
    total = program.add(here.count)
    program.at_most(here.count, 0.0, (np.arange(here.count), total, -1.0), (here.at[cells], columns, factors))
    return total
