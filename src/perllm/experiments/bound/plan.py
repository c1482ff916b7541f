"""A plan: who is sent where and when. A brain that does just that, and what the simulated world makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Any, NamedTuple

from perllm.accounting import Ledger
from perllm.domain.action import Actions, Cancel, CancelCause, Dispatch, Fate, Finish, Outcome, Reservation
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage
from perllm.domain.counts import Counts
from perllm.domain.entry import Entry
from perllm.domain.reason import Choice, Refusal
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.domain.telemetry import Fact
from perllm.experiments.bound.instance import Instance
from perllm.journal.recording import Recording
from perllm.scheduling.learned import Learned
from perllm.scheduling.outcomes import outcome_of
from perllm.scheduling.records import RequestRecord, arrived
from perllm.simulation.garbage import seldom_collecting
from perllm.simulation.probes import Probes
from perllm.simulation.simulator import Simulator, run
from perllm.simulation.world import World

_Step = Callable[[float], Actions]
_NOTHING = Reservation(kv_tokens=0, bytes_per_s=0.0)
_FATES = {
    EndingKind.COMPLETED: Fate.COMPLETED,
    EndingKind.CANCELLED: Fate.CANCELLED,
    EndingKind.TIMED_OUT: Fate.TIMED_OUT,
}


class Send(NamedTuple):
    """To which machine a request goes, and when."""

    machine: int
    at_s: float


Plan = Mapping[int, Send]
"""By the request's place among the arrivals; who is not in it is refused."""


class Planned:
    """Stands where a scheduler would."""

    report_every_s = inf

    def __init__(self, instance: Instance, plan: Plan) -> None:
        self._services = {service.name: service for service in instance.scenario.services}
        self._sends = {instance.arrivals[row][1].request.request_id: send for row, send in plan.items()}
        self._server_ids = [machine.server.server_id for machine in instance.machines]
        self._held: dict[str, RequestRecord] = {}
        self._open: dict[str, RequestRecord] = {}
        self._steps: list[tuple[float, int, _Step]] = []
        self._numbers = count()
        self._submitted = 0
        self._ended: dict[Fate, int] = dict.fromkeys(Fate, 0)

    @property
    def wake_at_s(self) -> float | None:
        """The instant of the next thing to do."""
        return self._steps[0][0] if self._steps else None

    def submit(self, request: Request, now_s: float) -> Actions:
        """Send a request if its time has come, keep it until then, or refuse it."""
        self._submitted += 1
        service = self._services[request.service]
        record = arrived(request, service, self._submitted, now_s)
        send = self._sends.get(request.request_id)
        if send is None:
            return self._finish(record, Fate.REFUSED, Refusal.CANNOT_MEET_REQUIREMENT, now_s)
        self._held[request.request_id] = record
        if send.at_s <= now_s:
            return self._dispatch(record, send, now_s)
        self._later(send.at_s, partial(self._dispatch, record, send))
        return ()

    def wake(self, now_s: float) -> Actions:
        """Do the next thing."""
        return heappop(self._steps)[2](now_s)

    def progress(self, attempt_id: str, progress: Progress, now_s: float) -> Actions:
        """Note a first token."""
        if progress.stage is Stage.FIRST_TOKEN:
            self._open[attempt_id].first_token_at_s = now_s
        return ()

    def close(self, attempt_id: str, ending: Ending, now_s: float) -> Actions:
        """End the request with its only attempt."""
        record = self._open.pop(attempt_id)
        record.transmit_j, record.infer_j = ending.transmit_j, ending.infer_j or 0.0
        record.energy_method = ending.energy_method
        record.prompt_tokens = ending.usage.prompt_tokens if ending.usage else 0
        record.output_tokens = ending.usage.output_tokens if ending.usage else ending.output_tokens
        return self._finish(record, _FATES.get(ending.kind, Fate.FAILED), None, now_s)

    def cancel(self, request_id: str, now_s: float) -> Actions:
        """Let a client go."""
        if record := self._held.pop(request_id, None):
            return self._finish(record, Fate.CANCELLED, None, now_s)
        if request_id in self._open:
            return (Cancel(request_id=request_id, attempt_id=request_id, cause=CancelCause.CLIENT_LEFT),)
        return ()

    def observe(self, fact: Fact, now_s: float) -> Actions:
        """What is known of servers moves nothing here."""
        return ()

    def configure(self, servers: Sequence[Server], services: Sequence[Service], now_s: float) -> Actions:
        """The fleet is the one that the plan was made for."""
        return ()

    def counts(self) -> Counts:
        """Return where all requests are."""
        return Counts(
            submitted=self._submitted,
            **{fate.value: ended for fate, ended in self._ended.items()},
            held=len(self._held),
            in_flight=len(self._open),
        )

    def snapshot(self) -> Learned:
        """Nothing is learned."""
        return Learned()

    def absorb(self, learned: Learned) -> None:
        """Nothing that was learned matters."""

    def _dispatch(self, record: RequestRecord, send: Send, now_s: float) -> Actions:
        """Send a request, unless its client has left."""
        request_id = record.request.request_id
        if self._held.pop(request_id, None) is None:
            return ()
        dispatch = Dispatch(
            request_id=request_id,
            attempt_id=request_id,
            attempt_number=1,
            server_id=self._server_ids[send.machine],
            reservation=_NOTHING,
            choice=Choice.FEASIBLE,
            predicted_total_s=None,
            predicted_energy_j=None,
            explanation=None,
        )
        record.attempts, record.dispatch, record.dispatched_at_s = 1, dispatch, now_s
        self._open[request_id] = record
        ends_at_s = record.arrived_at_s + record.service.timeout_s
        self._later(ends_at_s, partial(self._stop, request_id))
        return (dispatch,)

    def _later(self, at_s: float, step: _Step) -> None:
        heappush(self._steps, (at_s, next(self._numbers), step))

    def _stop(self, request_id: str, now_s: float) -> Actions:
        """Give up on an attempt of which nothing is heard."""
        if request_id not in self._open:
            return ()
        return (Cancel(request_id=request_id, attempt_id=request_id, cause=CancelCause.TIMED_OUT),)

    def _finish(self, record: RequestRecord, fate: Fate, refusal: Refusal | None, now_s: float) -> Actions:
        self._ended[fate] += 1
        return (Finish(outcome=outcome_of(record, fate, refusal, now_s)),)


def play(instance: Instance, plan: Plan) -> dict[str, Any]:
    """Let the world of the scenario's seed run by a plan; return the result object."""
    scenario, seed = instance.scenario, instance.seed
    world = World(scenario.servers, scenario.world, seed, report_every_s=inf)
    ledger = Ledger(world.servers, 0.0, idle=scenario.world.idle, services=scenario.services, truthful=True)
    simulator = Simulator(
        brain=Recording(Planned(instance, plan), [ledger]),
        world=world,
        arrivals=instance.arrivals,
        probes=Probes(world, scenario.world),
    )
    simulator.brain.configure(scenario.servers, scenario.services, 0.0)
    with seldom_collecting():
        simulator.run()
    world.finish(simulator.now_s)
    return ledger.result(
        scenario=scenario.name,
        policy="clairvoyant",
        seed=seed,
        finished_at_s=simulator.now_s,
        server_joules=world.joules(),
        foreign_joules=world.foreign_joules(),
        idle_joules=world.idle_joules(simulator.now_s),
    )


def followed(instance: Instance, policy: str) -> tuple[dict[str, Any], dict[int, Send]]:
    """Run a policy online; return its result, and what it did with the requests that it served in time as a plan."""
    served: list[Outcome] = []

    def note(entry: Entry) -> None:
        served.extend(each.outcome for each in entry.actions if isinstance(each, Finish) and each.outcome.in_time)

    result = run(replace(instance.scenario, policy=policy), instance.seed, accounts=[note]).result
    rows = {job.request.request_id: row for row, (_, job) in enumerate(instance.arrivals)}
    machines = {machine.server.server_id: number for number, machine in enumerate(instance.machines)}
    return result, {
        rows[outcome.request_id]: Send(machines[outcome.server_id], outcome.dispatched_at_s)
        for outcome in served
        if outcome.server_id is not None and outcome.dispatched_at_s is not None
    }
