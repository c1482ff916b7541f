"""Run a scenario: the shell that moves a virtual clock, and does what the gateway does with real engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from heapq import heappop, heappush
from math import inf
from typing import Any

from numpy.random import default_rng

from perllm.accounting import Ledger
from perllm.accounting.series import Series
from perllm.domain.action import Actions, Cancel, CancelCause, Dispatch, Finish, SetPower
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.counts import Counts
from perllm.errors import InvariantError
from perllm.journal.recording import Port, Recording, Sink
from perllm.scheduling.policies import contender_of, make_policy
from perllm.scheduling.policy import Policy
from perllm.scheduling.scheduler import Scheduler
from perllm.simulation.accounted import Accounted
from perllm.simulation.garbage import seldom_collecting
from perllm.simulation.job import Job
from perllm.simulation.probes import Probes
from perllm.simulation.scenario import Scenario, TraceSource
from perllm.simulation.timing import Clock, TimedScheduler
from perllm.simulation.truthful import truthful
from perllm.simulation.workload import jobs
from perllm.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one run: the result object, and where all requests are at its end."""

    result: dict[str, Any]
    counts: Counts


def run(
    scenario: Scenario,
    seed: int,
    *,
    sinks: Iterable[Sink] = (),
    accounts: Iterable[Sink] = (),
    progress: Callable[[int], None] | None = None,
    clock: Clock | None = None,
) -> Run:
    """Run a scenario until its last request is over.

    `sinks` hear the fleet as the scheduler does, `accounts` as it really is. `progress` is told how many requests are
    over. With a `clock`, the result's `timing` says how long decisions took; nothing else depends on it. Raises
    ConfigError for an unknown policy and InvariantError when a law is broken.
    """
    contender = contender_of(scenario.policy)
    scenario = replace(scenario, policy=str(contender), scheduler=contender.settings(scenario.scheduler))
    sinks, accounts = tuple(sinks), tuple(accounts)
    scheduler = _scheduler(scenario, make_policy(contender), seed, clock, explain=bool(sinks))
    world = World(scenario.servers, scenario.world, seed, report_every_s=scheduler.report_every_s)
    ledger = Ledger(world.servers, 0.0, idle=scenario.world.idle, services=scenario.services, truthful=True)
    for account in accounts:
        if isinstance(account, Series):
            account.idle_meter = world.idle_joules
    others = [truthful(sink, world.servers, scenario.services) for sink in accounts]
    listeners = [*others, *sinks]
    simulator = Simulator(
        brain=Recording(scheduler, [ledger, *listeners]) if listeners else Accounted(scheduler, ledger),
        world=world,
        arrivals=jobs(scenario, seed),
        probes=Probes(world, scenario.world),
        progress=progress,
    )
    simulator.brain.configure(scenario.servers, scenario.services, 0.0)
    with seldom_collecting():
        simulator.run()
    world.finish(simulator.now_s)
    _check_laws(scheduler, world)
    result = ledger.result(
        scenario=scenario.name,
        policy=scenario.policy,
        seed=seed,
        finished_at_s=simulator.now_s,
        server_joules=world.joules(),
        foreign_joules=world.foreign_joules(),
        idle_joules=world.idle_joules(simulator.now_s),
        timing=scheduler.timing() if isinstance(scheduler, TimedScheduler) else {},
        settings=_settings(scenario),
    )
    return Run(result=result, counts=scheduler.counts())


class Simulator:
    """Moves one brain and one world through time together."""

    def __init__(
        self,
        *,
        brain: Port,
        world: World,
        arrivals: Iterable[tuple[float, Job]],
        probes: Probes,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.brain = brain
        self.now_s = 0.0
        self._world = world
        self._arrivals = iter(arrivals)
        self._arrives_at_s = inf
        self._arriving: Job | None = None
        self._await_arrival()
        self._leaving: list[tuple[float, str]] = []
        self._open: dict[str, Job] = {}
        self._over = 0
        self._probes = probes
        self._probe_at_s = probes.next_at_s
        self._foresee()
        self._progress = progress

    def run(self) -> None:
        """Go on until every request is over. Raises InvariantError if some never would be."""
        brain, advance, open_jobs = self.brain, self._world.advance, self._open
        while open_jobs or self._arriving is not None:
            wake_at_s = brain.wake_at_s
            until_s = self._acts_at_s if wake_at_s is None or self._acts_at_s <= wake_at_s else wake_at_s
            report = advance(until_s)
            if report is not None:
                self.now_s, event = report.at_s, report.event
                if isinstance(event, Ending):
                    self._perform(brain.close(report.attempt_id, event, self.now_s))
                elif actions := brain.progress(report.attempt_id, event, self.now_s):
                    self._perform(actions)
            else:
                self.now_s = until_s
                self._act(wake_at_s)

    def _act(self, wake_at_s: float | None) -> None:
        """Let the next thing happen that is not the world's.

        Of equal instants: what is over has made room, then the view is refreshed, then clients leave, then timers fire,
        and what arrives is decided last, knowing all that.
        """
        now_s = self.now_s
        if now_s == self._probe_at_s:
            self._probe(wake_at_s)
        elif self._leaving and now_s == self._leaving[0][0]:
            self._leave(heappop(self._leaving)[1])
        elif now_s == wake_at_s:
            self._perform(self.brain.wake(now_s))
            return
        elif self._arriving is not None:
            self._arrive(self._arriving)
        self._foresee()

    def _foresee(self) -> None:
        at_s = self._arrives_at_s if self._arrives_at_s < self._probe_at_s else self._probe_at_s
        self._acts_at_s = min(at_s, self._leaving[0][0]) if self._leaving else at_s

    def _probe(self, wake_at_s: float | None) -> None:
        if wake_at_s is None and not self._leaving and self._arriving is None and self._world.next_at_s == inf:
            raise InvariantError(f"{len(self._open)} requests wait for something that will never happen")
        for fact in self._probes.due(self.now_s):
            if actions := self.brain.observe(fact, self.now_s):
                self._perform(actions)
        self._probe_at_s = self._probes.next_at_s

    def _leave(self, request_id: str) -> None:
        if request_id in self._open:
            self._perform(self.brain.cancel(request_id, self.now_s))

    def _arrive(self, job: Job) -> None:
        self._open[job.request.request_id] = job
        if job.truth.leaves_at_s is not None:
            heappush(self._leaving, (job.truth.leaves_at_s, job.request.request_id))
        self._perform(self.brain.submit(job.request, self.now_s))
        self._await_arrival()

    def _await_arrival(self) -> None:
        self._arrives_at_s, self._arriving = next(self._arrivals, (inf, None))

    def _perform(self, actions: Actions) -> None:
        """Do what the brain says, and then what it says to that."""
        cancels: list[Cancel] = []
        for action in actions:
            match action:
                case Dispatch():
                    job = self._open[action.request_id]
                    self._world.send(action.server_id, action.attempt_id, job, self.now_s)
                case Finish():
                    del self._open[action.outcome.request_id]
                    self._over += 1
                    if self._progress is not None:
                        self._progress(self._over)
                case Cancel():
                    cancels.append(action)
                case SetPower():
                    self._world.set_power(action.server_id, action.state, self.now_s)
                case _:
                    pass
        for cancel in cancels:
            self._perform(self._stop(cancel))

    def _stop(self, cancel: Cancel) -> Actions:
        left = cancel.cause is CancelCause.CLIENT_LEFT
        kind = EndingKind.CANCELLED if left else EndingKind.TIMED_OUT
        ending = self._world.abort(cancel.attempt_id, kind, self.now_s)
        return self.brain.close(cancel.attempt_id, ending, self.now_s)


def _scheduler(scenario: Scenario, policy: Policy, seed: int, clock: Clock | None, *, explain: bool) -> Scheduler:
    parts: dict[str, Any] = {
        "servers": scenario.servers,
        "services": scenario.services,
        "policy": policy,
        # The seed's own generator, as in the gateway: a recorded run can be taken again from its journal.
        "rng": default_rng(seed),
        "settings": scenario.scheduler if explain else replace(scenario.scheduler, explain=False),
    }
    return Scheduler(**parts) if clock is None else TimedScheduler(clock=clock, **parts)


def _check_laws(scheduler: Scheduler, world: World) -> None:
    """Raise InvariantError unless every request and every reservation is accounted for."""
    counts = scheduler.counts()
    if counts.submitted != counts.accounted or counts.held or counts.in_flight:
        raise InvariantError(f"requests are unaccounted for at the end of a run: {counts}")
    if world.open_attempts or any(scheduler.outstanding().values()):
        raise InvariantError("attempts are still open at the end of a run")
    for server_id, held in scheduler.reservations().items():
        if held.kv_tokens or held.bytes_per_s:
            raise InvariantError(f"{server_id} still holds a reservation at the end of a run: {held}")


def _settings(scenario: Scenario) -> dict[str, Any]:
    """Return what a reader must know to compare two results."""
    world = asdict(scenario.world)
    del world["idle"]
    return {
        "requests": scenario.workload.requests,
        "rate_per_s": scenario.workload.rate_per_s,
        "arrivals": asdict(scenario.workload.arrivals),
        "trace": None if scenario.workload.trace is None else _trace(scenario.workload.trace),
        "network": {server.server_id: server.link.coefficient.value for server in scenario.servers},
        "world": world,
        "scheduler": asdict(scenario.scheduler),
    }


def _trace(source: TraceSource) -> dict[str, Any]:
    """Return what is played, by its name: where it lies on this machine is nobody's business."""
    return {**asdict(source), "path": source.path.name}
