"""Time in buckets: which requests could be read or written when, and what idling costs besides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perllm.accounting import IdleAccounting
from perllm.experiments.bound.instance import Instance, Machine

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells: one for each pair and bucket that its window touches. Spots: a server in a bucket, where cells meet.

    `writes` is how many steps of a cell's pair can be in its bucket at most; 0 before it can have been read. `reads`
    says whether its prompt may be read there. `available_s` is what a spot has of its bucket.
    """

    bucket_s: float
    pair: Places
    spot: Places
    writes: Floats
    reads: NDArray[np.bool_]
    machine: Places
    available_s: Floats
    starts_s: Floats


def grid_of(instance: Instance, bucket_s: float) -> Grid:
    """Cut time into buckets of one length."""
    pairs = instance.pairs
    begins = np.array([pair.from_s for pair in pairs])
    first = np.floor(begins / bucket_s).astype(np.intp)
    last = np.floor(np.array([pair.to_s for pair in pairs]) / bucket_s).astype(np.intp)
    spans = last - first + 1
    pair = np.repeat(np.arange(len(pairs)), spans)
    bucket = np.arange(len(pair)) - np.repeat(np.cumsum(spans) - spans, spans) + first[pair]
    machine = np.array([each.machine for each in pairs], dtype=np.intp)[pair]
    places, spot = np.unique(np.stack([machine, bucket]), axis=1, return_inverse=True)
    starts_s = bucket * bucket_s
    ends_s, facts = starts_s + bucket_s, _columns(instance)
    writing_s = np.minimum(facts["to_s"][pair], ends_s) - np.maximum(facts["writes_from_s"][pair], starts_s)
    reading_s = np.minimum(facts["read_by_s"][pair], ends_s) - np.maximum(begins[pair], starts_s)
    writes = np.maximum(writing_s, 0.0) / facts["least_s"][pair]
    return Grid(
        bucket_s=bucket_s,
        pair=pair,
        spot=spot.ravel(),
        writes=np.where(facts["tokens"][pair] > 0, writes, 0.0),
        reads=reading_s > 0.0,
        machine=places[0],
        starts_s=starts_s,
        available_s=np.array(
            [
                instance.machines[number].available_s(at * bucket_s, (at + 1) * bucket_s)
                for number, at in zip(*places.tolist(), strict=True)
            ]
        ),
    )


def busy_s(instance: Instance, grid: Grid, buckets: int) -> Floats:
    """Return by cell how long its server is busy in so many buckets from it on at least, if it serves the pair.

    It reads and writes without a pause. What that has in common with a span rises, stays and falls the later it
    begins, so that it is least at the soonest or the latest.
    """
    facts, pair, starts_s = _columns(instance), grid.pair, grid.starts_s
    ends_s = starts_s + buckets * grid.bucket_s
    reading_s = (facts["writes_from_s"] - facts["from_s"])[pair]
    whole_s = reading_s + (facts["tokens"] * facts["least_s"])[pair]
    soonest_s = facts["from_s"][pair]
    latest_s = np.minimum(facts["to_s"][pair] - whole_s, facts["read_by_s"][pair] - reading_s)
    common = [
        np.minimum(begins_s + whole_s, ends_s) - np.maximum(begins_s, starts_s) for begins_s in (soonest_s, latest_s)
    ]
    least: Floats = np.maximum(np.minimum(*common), 0.0)
    return least


def _columns(instance: Instance) -> dict[str, Floats]:
    names = ("from_s", "to_s", "writes_from_s", "read_by_s", "least_s", "tokens")
    return {name: np.array([getattr(pair, name) for pair in instance.pairs], dtype=float) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What idling costs at least: joules whatever is done, and by server watts on top for as long as steps go on."""

    constant_j: float
    working_w: tuple[float, ...]


def idle_of(instance: Instance, *, counted: bool) -> Idle:
    """Return the idle account by the scenario's rule, or nothing.

    A machine that never rests draws its idle power until the last request has arrived at least. One that may rest is
    taken to sleep at once and for nothing whenever it does not work: waking and falling asleep cost nothing here.
    """
    rule = instance.scenario.world.idle if counted else IdleAccounting.NONE
    floors = [_resting_w(machine, rule) for machine in instance.machines]
    awake = [0.0 if rule is IdleAccounting.NONE else machine.server.power.idle_w for machine in instance.machines]
    return Idle(
        constant_j=sum(floors) * instance.last_arrival_s,
        working_w=tuple(awake_w - floor_w for awake_w, floor_w in zip(awake, floors, strict=True)),
    )


def _resting_w(machine: Machine, rule: IdleAccounting) -> float:
    """Return the least that doing nothing draws and counts."""
    server = machine.server
    if rule is IdleAccounting.NONE or (server.rests and rule is IdleAccounting.POWERED):
        return 0.0
    return min([server.power.idle_w, *(rest.watts for rest in server.rests)])
