"""What hindsight knows: every server as it really is, every request with its truth, and where each could be in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import takewhile
from math import ceil, inf
from typing import NamedTuple

from perllm.costs.energy import transmit_j
from perllm.costs.time import attention_pairs, busy_s, decode_step_s, prefill_s
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.errors import ConfigError
from perllm.experiments.bound.planes import Extent, Kind, kinds_of
from perllm.simulation.bandwidth import ways_of
from perllm.simulation.job import Job
from perllm.simulation.link import Way
from perllm.simulation.pace import Pace
from perllm.simulation.replies import reply_bytes
from perllm.simulation.scenario import Scenario
from perllm.simulation.trouble import Outage
from perllm.simulation.workload import jobs
from perllm.simulation.world import World

# Rounding in times that are compared with a deadline: far more than it is, far less than a step.
_SLACK_S = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One server as it really is, and what bounds its steps.

    `factors` are the least and the most of the requests' own noise factors, `sequences` the most in one step, `pace`
    the least factor on its steps at any time. `yields`: its cache may run full, so that requests read again. `shared`:
    other tenants write in the same steps.
    """

    server: Server
    kinds: tuple[Kind, ...]
    factors: tuple[float, float]
    sequences: int
    pace: float
    yields: bool
    shared: bool
    outages: tuple[Outage, ...]

    def available_s(self, from_s: float, to_s: float) -> float:
        """Return how much of a span the server is up."""
        down_s = max((_overlap_s(from_s, to_s, each.from_s, each.to_s) for each in self.outages), default=0.0)
        return to_s - from_s - down_s


class Pair(NamedTuple):
    """A request on a server where it can be in time.

    It is there from `from_s`; its prompt must be read by `read_by_s` and its answer written by `to_s`; it writes after
    `writes_from_s` at the soonest. After the token that reading gives, `tokens` must be written, each in a step that
    looks at `context` tokens of it at least. Its steps take `least_s` each, whoever is with it.
    """

    job: int
    machine: int
    from_s: float
    read_by_s: float
    writes_from_s: float
    to_s: float
    tokens: int
    prompt_tokens: int
    reading_s: float
    context: int
    factor: float
    least_s: float
    transmit_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A finite problem: who could be in time where.

    `weights` say how much being in time counts for a request: less for clients that would otherwise leave uncounted.
    """

    scenario: Scenario
    seed: int
    arrivals: tuple[tuple[float, Job], ...]
    machines: tuple[Machine, ...]
    pairs: tuple[Pair, ...]
    leavers: frozenset[int]

    @property
    def last_arrival_s(self) -> float:
        return self.arrivals[-1][0] if self.arrivals else 0.0

    def needed(self, attainment: float) -> float:
        """Return what the weights of requests in time must add up to."""
        counted = len(self.arrivals) - len(self.leavers)
        # Without clients that leave, requests are counted whole; shares come from divisions of whole numbers.
        return attainment * counted if self.leavers else ceil(attainment * counted - 1e-6)

    def weight(self, job: int, attainment: float) -> float:
        """Return what one request in time adds: who would have left uncounted also raises what is needed."""
        return 1.0 - attainment if job in self.leavers else 1.0

    def reachable(self) -> float:
        """Return the largest attainment that is not plainly impossible."""
        able = {pair.job for pair in self.pairs}
        counted = len(self.arrivals) - len(self.leavers - able)
        return len(able) / counted if counted else 1.0

    def check(self, attainment: float) -> None:
        """Raise ConfigError where no schedule could be in time so often."""
        if not 0.0 < attainment <= 1.0:
            raise ConfigError(f"{attainment:g} is no share", key="--attainment", remedy="Give one above 0, at most 1.")
        reachable = self.reachable()
        if attainment > reachable + 1e-9:
            raise ConfigError(
                f"no schedule is in time for {attainment:.2%} of these requests: at most {reachable:.2%} could be, each"
                " alone on the fastest server",
                key="--attainment",
                remedy=f"Ask for {int(reachable * 1e4) / 1e4:g} or less.",
            )


def instance_of(scenario: Scenario, seed: int) -> Instance:
    """Look at everything a run of the scenario would meet. Raises ConfigError where a trace cannot be read."""
    arrivals = tuple(jobs(scenario, seed))
    world = World(scenario.servers, scenario.world, seed)
    machines = tuple(_machine(server, scenario, [job for _, job in arrivals]) for server in world.servers)
    ways = ways_of(world.servers, scenario.world.network, seed)
    services = {service.name: service for service in scenario.services}
    known = _Known(arrivals)
    pairs = tuple(
        pair
        for number, machine in enumerate(machines)
        for pair in _pairs(number, machine, ways[machine.server.server_id], arrivals, services, known)
    )
    leavers = frozenset(
        row for row, (at_s, job) in enumerate(arrivals) if _leaves_at_s(job) < _deadline_s(at_s, job, services)
    )
    return Instance(scenario=scenario, seed=seed, arrivals=arrivals, machines=machines, pairs=pairs, leavers=leavers)


def _machine(server: Server, scenario: Scenario, some: Sequence[Job]) -> Machine:
    trouble = scenario.world.trouble
    shared = any(tenant.server_id == server.server_id for tenant in trouble.tenants)
    factors = [job.truth.service_factor for job in some] or [1.0]
    sequences = server.slots if shared else min(server.slots, max(len(some), 1))
    contexts = [job.truth.prompt_tokens + job.truth.output_tokens for job in some] or [1]
    return Machine(
        server=server,
        kinds=kinds_of(server, Extent(sequences=sequences, context_tokens=max(contexts)), shared=shared),
        factors=(min([*factors, 1.0]) if shared else min(factors), max([*factors, 1.0]) if shared else max(factors)),
        sequences=sequences,
        pace=_least_pace(server.server_id, scenario),
        yields=shared or sum(nlargest(server.slots, contexts)) > server.kv_tokens,
        shared=shared,
        outages=tuple(each for each in trouble.outages if each.server_id == server.server_id),
    )


def _least_pace(server_id: str, scenario: Scenario) -> float:
    """Return the least factor at any time: a step keeps the one it began with, so no instant may be looked at alone."""
    trouble = scenario.world.trouble
    slowdowns = [each for each in trouble.slowdowns if each.server_id == server_id]
    drifts = [each for each in trouble.drifts if each.server_id == server_id]
    pace = Pace(slowdowns)
    slow = min(pace(at_s) for at_s in (0.0, *pace.changes_at_s))
    for drift in drifts:
        slow *= min(1.0, drift.limit)
    return slow


class _Known:
    """Which pieces of prompts some other request brings too, so that a cache might have them."""

    def __init__(self, arrivals: Sequence[tuple[float, Job]]) -> None:
        self._seen = Counter(block for _, job in arrivals for block in {*job.truth.blocks, *job.truth.answer_blocks})

    def unread(self, job: Job, machine: Machine) -> int:
        """Count the tokens of a prompt that must be read even if all others' pieces are in the cache.

        Who gives way finds its own pieces there as well.
        """
        prompt, blocks = job.truth.prompt_tokens, job.truth.blocks
        if not machine.server.caches_prefixes:
            return prompt
        hits = len(blocks) if machine.yields else sum(1 for _ in takewhile(lambda each: self._seen[each] > 1, blocks))
        return prompt - min(hits * job.truth.block_tokens, prompt - 1)


def _pairs(
    number: int,
    machine: Machine,
    way: Way,
    arrivals: Sequence[tuple[float, Job]],
    services: Mapping[str, Service],
    known: _Known,
) -> Iterator[Pair]:
    for row, (at_s, job) in enumerate(arrivals):
        if _allowed(job, services[job.request.service], machine.server):
            pair = _pair(row, number, machine, way, at_s, job, known.unread(job, machine), services)
            if pair is not None:
                yield pair


def _pair(
    row: int,
    number: int,
    machine: Machine,
    way: Way,
    at_s: float,
    job: Job,
    unread: int,
    services: Mapping[str, Service],
) -> Pair | None:
    """Return where and when a request could be served, or None where it could not be in time."""
    server, truth = machine.server, job.truth
    room = min(server.context_tokens, server.kv_tokens) - truth.prompt_tokens
    output_tokens = min(truth.output_tokens, room)
    if output_tokens < 1:
        return None
    back_s = server.link.rtt_s / 2 * truth.link_factor
    sent_s = way.soonest_at_s(at_s, truth.upload_bytes, truth.link_factor)
    from_s = sent_s + truth.service_factor * server.speed.request_overhead_s - _SLACK_S
    to_s = min(_deadline_s(at_s, job, services), _leaves_at_s(job)) - back_s + _SLACK_S
    scale = machine.pace * _scale(machine, truth.service_factor)
    pairs = attention_pairs(unread, truth.prompt_tokens - unread)
    reading_s = unread * server.speed.prefill_token_s + pairs * server.speed.attention_pair_s
    whole_s = busy_s(server.speed, reading_s, server.speed.weights_read_s) + server.speed.step_overhead_s
    writes_from_s = from_s + scale * whole_s
    # Whoever reads again gets a token from that instead of from writing.
    least_s = scale * min(decode_step_s(server.speed, 1), prefill_s(server.speed, 1))
    read_by_s = min(to_s - least_s * (output_tokens - 1), _first_token_by_s(at_s, job) - back_s + _SLACK_S)
    if writes_from_s > read_by_s:
        return None
    moved_bytes = truth.upload_bytes + reply_bytes(job, output_tokens)
    return Pair(
        job=row,
        machine=number,
        from_s=from_s,
        read_by_s=read_by_s,
        writes_from_s=writes_from_s,
        to_s=to_s,
        tokens=output_tokens - 1,
        prompt_tokens=unread,
        reading_s=reading_s,
        context=truth.prompt_tokens + 1,
        factor=truth.service_factor,
        least_s=least_s,
        transmit_j=transmit_j(server.link, moved_bytes),
    )


def _scale(machine: Machine, factor: float) -> float:
    """Return the least mean factor of a step with a request in it: of all others, each has the least."""
    least = machine.factors[0]
    return least + (factor - least) / machine.sequences


def _allowed(job: Job, service: Service, server: Server) -> bool:
    """Whether a request may go there at all: the lasting constraints that every schedule obeys."""
    request = job.request
    return (
        request.model in server.models
        and (service.tiers is None or server.tier in service.tiers)
        and (service.servers is None or server.server_id in service.servers)
        and (request.allowed_servers is None or server.server_id in request.allowed_servers)
    )


def _deadline_s(at_s: float, job: Job, services: Mapping[str, Service]) -> float:
    total_s = job.request.requirement.total_s
    return at_s + min(inf if total_s is None else total_s, services[job.request.service].timeout_s)


def _first_token_by_s(at_s: float, job: Job) -> float:
    limit_s = job.request.requirement.first_token_s
    return at_s + limit_s if limit_s is not None and job.request.stream else inf


def _leaves_at_s(job: Job) -> float:
    return inf if job.truth.leaves_at_s is None else job.truth.leaves_at_s


def _overlap_s(from_s: float, to_s: float, begins_s: float, ends_s: float) -> float:
    return max(min(to_s, ends_s) - max(from_s, begins_s), 0.0)
