"""Play a past again in a simulated world, as it was decided or with decisions taken anew, and compare the two.

As recorded, every attempt goes where it went when it went there: what differs is physics alone. Freely, the scheduler
decides again, and small differences of time may become other decisions: that is how another policy or fleet is tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from msgspec import structs

from perllm.accounting import Ledger
from perllm.domain.action import Finish, Outcome
from perllm.domain.entry import Entry, Fleet
from perllm.domain.server import Server
from perllm.errors import ConfigError
from perllm.journal.recording import Port, Recording
from perllm.journal.replay import scheduler_of
from perllm.simulation.counterfactual.comparison import Comparison, compare
from perllm.simulation.counterfactual.guesses import Guesses, jobs_of
from perllm.simulation.counterfactual.outages import outages_of, probe_interval_s
from perllm.simulation.counterfactual.past import Past
from perllm.simulation.counterfactual.script import Script
from perllm.simulation.garbage import seldom_collecting
from perllm.simulation.job import Job
from perllm.simulation.probes import Probes
from perllm.simulation.scenario import WorldSettings
from perllm.simulation.simulator import Simulator
from perllm.simulation.world import World

# The world of the profiles, without hidden errors and noise.
EXACT: Final = WorldSettings(prior_error=0.0, service_noise=0.0, link_jitter=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of it: every request's outcome, the result object, what had to be guessed, and how it compares."""

    outcomes: Mapping[str, Outcome]
    result: Mapping[str, Any]
    guesses: Guesses
    comparison: Comparison


def replay_as_recorded(
    past: Past, *, servers: Sequence[Server] | None = None, world: WorldSettings = EXACT, seed: int = 0
) -> Replay:
    """Play the recorded decisions on the journal's fleet, or on `servers` of the same names.

    Raises ConfigError where a server is missing.
    """
    fleet = _fleet(past, servers)
    _check_names(past, fleet)
    arrivals, guesses = jobs_of(past, open_end=True)
    return _Play(past, fleet, world, seed).replay(Script(past), arrivals, guesses, past.origin.policy)


def replay_freely(
    past: Past,
    *,
    policy: str | None = None,
    servers: Sequence[Server] | None = None,
    world: WorldSettings = EXACT,
    seed: int | None = None,
) -> Replay:
    """Let the journal's scheduler, or one with another policy or fleet, decide for what arrived.

    Servers are down when the journal's were. Raises ConfigError for an unknown policy.
    """
    origin = structs.replace(
        past.origin, policy=policy or past.origin.policy, seed=past.origin.seed if seed is None else seed
    )
    fleet = _fleet(past, servers)
    known = {server.server_id for server in fleet.servers}
    outages = tuple(outage for outage in outages_of(past) if outage.server_id in known)
    troubled = replace(
        world,
        probe_interval_s=probe_interval_s(past),
        trouble=replace(world.trouble, outages=(*world.trouble.outages, *outages)),
    )
    arrivals, guesses = jobs_of(past, open_end=False)
    play = _Play(past, fleet, troubled, origin.seed)
    return play.replay(scheduler_of(origin, fleet), arrivals, guesses, origin.policy)


class _Play:
    """One world that a past is played in."""

    def __init__(self, past: Past, fleet: Fleet, world: WorldSettings, seed: int) -> None:
        self._past = past
        self._fleet = fleet
        self._settings = world
        self._seed = seed

    def replay(self, brain: Port, arrivals: Sequence[tuple[float, Job]], guesses: Guesses, policy: str) -> Replay:
        """Move brain and world through time and sum up."""
        outcomes: dict[str, Outcome] = {}

        def note(entry: Entry) -> None:
            for action in entry.actions:
                if isinstance(action, Finish):
                    outcomes[action.outcome.request_id] = action.outcome

        fleet = self._fleet
        ledger = Ledger(fleet.servers, 0.0, idle=self._settings.idle, services=fleet.services)
        world = World(fleet.servers, self._settings, self._seed, report_every_s=brain.report_every_s)
        simulator = Simulator(
            brain=Recording(brain, [ledger, note]),
            world=world,
            arrivals=arrivals,
            probes=Probes(world, self._settings),
        )
        simulator.brain.configure(fleet.servers, fleet.services, 0.0)
        with seldom_collecting():
            simulator.run()
        world.finish(simulator.now_s)
        result = ledger.result(
            scenario="replay",
            policy=policy,
            seed=self._seed,
            finished_at_s=simulator.now_s,
            server_joules=world.joules(),
            idle_joules=world.idle_joules(simulator.now_s),
        )
        real = {lived.outcome.request_id: lived.outcome for lived in self._past.lived if lived.outcome is not None}
        return Replay(outcomes=outcomes, result=result, guesses=guesses, comparison=compare(real, outcomes))


def _fleet(past: Past, servers: Sequence[Server] | None) -> Fleet:
    return past.fleet if servers is None else Fleet(servers=tuple(servers), services=past.fleet.services)


def _check_names(past: Past, fleet: Fleet) -> None:
    used = {tried.dispatch.server_id for lived in past.lived for tried in lived.tried}
    missing = sorted(used - {server.server_id for server in fleet.servers})
    if missing:
        raise ConfigError(
            f"the journal's requests went to {', '.join(missing)}, which this fleet does not have",
            remedy="Name the servers as the journal does, or let the scheduler decide again.",
        )
