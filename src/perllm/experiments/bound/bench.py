"""A server alone, as it really is: what a list of sends to it costs, and which of them come back in time.

Between two busy spells a plain server remembers nothing, so that a change of a plan is played again only from the start
of the spell that it touches to the end of the first one that comes out as before.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import NamedTuple

from perllm.domain.attempt import Ending, EndingKind
from perllm.experiments.bound.instance import Instance
from perllm.simulation.bandwidth import ways_of
from perllm.simulation.engine import Engine
from perllm.simulation.pace import Pace


class Sent(NamedTuple):
    """A request (its place among the arrivals) is sent at an instant."""

    at_s: float
    job: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """Sends that share the time a server is busy, when the last of them came back, and what came of them."""

    sends: tuple[Sent, ...]
    ends_s: float
    joules: float
    in_time: frozenset[int]


class Change(NamedTuple):
    """Spells `first` to `last` (excluded) of a server become others."""

    machine: int
    first: int
    last: int
    spells: tuple[Spell, ...]


class Bench:
    """All servers of an instance, each with its spells in order."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._plain = [_plain(instance, number) for number in range(len(instance.machines))]
        self.spells: list[list[Spell]] = [[] for _ in instance.machines]

    def change(self, machine: int, gone: frozenset[Sent], new: Iterable[Sent]) -> Change:
        """Return what a server does with some sends less and some more; nothing is changed yet."""
        spells, added = self.spells[machine], list(new)
        touched_s = [*(sent.at_s for sent in gone), *(sent.at_s for sent in added)]
        first, last = self._span(machine, min(touched_s), max(touched_s))
        while True:
            kept = (sent for spell in spells[first:last] for sent in spell.sends if sent not in gone)
            played = self.play(machine, sorted([*kept, *added]))
            if last == len(spells) or not played or played[-1].ends_s <= spells[last].sends[0].at_s:
                return Change(machine, first, last, tuple(played))
            last += 1

    def apply(self, change: Change) -> None:
        """Make a change."""
        self.spells[change.machine][change.first : change.last] = change.spells

    def before(self, change: Change) -> list[Spell]:
        """Return the spells that a change replaces."""
        return self.spells[change.machine][change.first : change.last]

    def play(self, machine: int, sends: list[Sent]) -> list[Spell]:
        """Send to a fresh server at these instants, which are in order; return its spells."""
        return list(self._spells(machine, sends, self._ends(machine, sends))) if sends else []

    def _span(self, machine: int, from_s: float, to_s: float) -> tuple[int, int]:
        spells = self.spells[machine]
        if not self._plain[machine]:
            return 0, len(spells)
        first = bisect_left(spells, from_s, key=lambda spell: spell.ends_s)
        last = bisect_left(spells, to_s, key=lambda spell: spell.sends[0].at_s)
        if last < len(spells) and spells[last].sends[0].at_s == to_s:
            last += 1
        return first, max(first, last)

    def _ends(self, machine: int, sends: list[Sent]) -> dict[int, tuple[float, float, bool]]:
        """Play; return when each request ended, its joules, and whether it was in time."""
        engine, arrivals = self._engine(machine), self._instance.arrivals
        ends: dict[int, tuple[float, float, bool]] = {}
        firsts: dict[int, float] = {}
        leaving = sorted((arrivals[sent.job][1].truth.leaves_at_s or inf, sent.job) for sent in sends)
        for at_s, job, leaves in sorted(
            [*((sent.at_s, sent.job, False) for sent in sends), *((at_s, job, True) for at_s, job in leaving)]
        ):
            self._advance(engine, at_s, ends, firsts)
            if at_s == inf:
                break
            if not leaves:
                engine.arrive(str(job), arrivals[job][1], at_s)
            elif engine.knows(str(job)):
                ending = engine.abort(str(job), EndingKind.CANCELLED, at_s)
                ends[job] = (at_s, _joules(ending), False)
        self._advance(engine, inf, ends, firsts)
        return ends

    def _advance(
        self, engine: Engine, until_s: float, ends: dict[int, tuple[float, float, bool]], firsts: dict[int, float]
    ) -> None:
        while engine.open_attempts and (at_s := engine.next_at_s) <= until_s and at_s < inf:
            report = engine.advance(at_s)
            if report is None:
                continue
            job = int(report.attempt_id)
            if isinstance(report.event, Ending):
                ends[job] = (report.at_s, _joules(report.event), self._in_time(job, report.at_s, firsts, report.event))
            else:
                firsts.setdefault(job, report.at_s)

    def _in_time(self, job: int, ended_at_s: float, firsts: dict[int, float], ending: Ending) -> bool:
        at_s, job_sent = self._instance.arrivals[job]
        requirement, stream = job_sent.request.requirement, job_sent.request.stream
        if ending.kind is not EndingKind.COMPLETED:
            return False
        if requirement.total_s is not None and ended_at_s > at_s + requirement.total_s:
            return False
        first_s = requirement.first_token_s
        return first_s is None or not stream or firsts.get(job, ended_at_s) - at_s <= first_s

    def _engine(self, machine: int) -> Engine:
        instance = self._instance
        scenario, server = instance.scenario, instance.machines[machine].server
        trouble = scenario.world.trouble
        slowdowns = [each for each in trouble.slowdowns if each.server_id == server.server_id]
        drifts = [each for each in trouble.drifts if each.server_id == server.server_id]
        return Engine(
            server,
            report_every_s=inf,
            outages=instance.machines[machine].outages,
            way=ways_of([server], scenario.world.network, instance.seed)[server.server_id],
            pace=Pace(slowdowns, drifts) if slowdowns or drifts else None,
        )

    def _spells(self, machine: int, sends: list[Sent], ends: dict[int, tuple[float, float, bool]]) -> Iterator[Spell]:
        """Cut sends where everything sent before is back."""
        cuts, back_s = [0], 0.0
        for place, sent in enumerate(sends):
            if place and self._plain[machine] and back_s <= sent.at_s:
                cuts.append(place)
            back_s = max(back_s, ends.get(sent.job, (inf, 0.0, False))[0])
        for start, stop in pairwise([*cuts, len(sends)]):
            some = sends[start:stop]
            over = [(sent.job, ends[sent.job]) for sent in some if sent.job in ends]
            lost = len(over) < len(some)
            yield Spell(
                sends=tuple(some),
                ends_s=inf if lost else max(end[0] for _, end in over),
                joules=sum(end[1] for _, end in over),
                in_time=frozenset(job for job, end in over if end[2]),
            )


def _joules(ending: Ending) -> float:
    return ending.transmit_j + (ending.infer_j or 0.0)


def _plain(instance: Instance, number: int) -> bool:
    """Whether a server at rest is as good as new: nothing cached, nobody else on it, no rest to fall into."""
    machine = instance.machines[number]
    server = machine.server
    return not (server.caches_prefixes or server.rests or machine.shared)
