"""An episode in the simulator: a diffusion actor that draws its actions decides, and every decision is kept."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import ClassVar, Final

import numpy as np
from numpy.random import default_rng

from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.experiments.training.transitions import Step
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.neural.diffusion import STEPS, DiffusionActor
from perllm.scheduling.neural.seats import Seated, Seats
from perllm.scheduling.policy import Lesson, Policy
from perllm.scheduling.reward import reward_of, teaches
from perllm.scheduling.scheduler import Scheduler
from perllm.simulation.probes import Probes
from perllm.simulation.scenario import Scenario
from perllm.simulation.simulator import Simulator
from perllm.simulation.workload import jobs
from perllm.simulation.world import World

# AGOD's penalty for overloading a provider, here for breaking a requirement.
PENALTY: Final = 2.0
# A queue that has run away makes margins of minus a hundred; what matters is that they are bad.
LEAST_REWARD: Final = -4.0


class Drawing(Policy):
    """Draws servers by the actor's chances, under fresh noise, and remembers each state, action and reward."""

    name: ClassVar[str] = "agod-in-training"
    holds: ClassVar[bool] = False
    minds_time = False

    def __init__(self, actor: DiffusionActor, rng: np.random.Generator) -> None:
        self._actor = actor
        self._rng = rng
        self._servers: Sequence[Server] = ()
        self._seats = Seats(())
        self._seated: Seated | None = None
        self._open: dict[str, int] = {}
        self._chosen: list[tuple[Seated, int]] = []
        self._rewards: list[float | None] = []

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        if candidates.servers is not self._servers:
            self._servers, self._seats = candidates.servers, Seats(candidates.servers)
        self._seated = seated = self._seats.take(request, candidates)
        scores = self._actor.scores(seated.state, self._rng.standard_normal((STEPS, self._actor.actions)))
        # The highest score plus Gumbel noise is a draw by the softmax of the scores.
        drawn = (scores + self._rng.gumbel(size=len(scores))).tolist()
        by_row = dict(zip(seated.rows, drawn, strict=True))
        return [by_row.get(row, -inf) for row in candidates.feasible]

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        if self._seated is None:
            return
        row = next(row for row, server in enumerate(self._servers) if server.server_id == server_id)
        self._open[request.request_id] = len(self._chosen)
        self._chosen.append((self._seated, self._seated.rows.index(row)))
        self._rewards.append(None)

    def learn(self, lesson: Lesson) -> None:
        number = self._open.pop(lesson.request_id, None)
        if number is not None and teaches(lesson):
            penalty = 0.0 if lesson.in_time else PENALTY
            self._rewards[number] = max(reward_of(lesson) - penalty, LEAST_REWARD)

    def steps(self) -> list[Step]:
        """Return the decisions whose rewards are known, in order."""
        return [
            Step(seated.state, [row is not None for row in seated.rows], action, reward)
            for (seated, action), reward in zip(self._chosen, self._rewards, strict=True)
            if reward is not None
        ]


def episode(scenario: Scenario, seed: int, actor: DiffusionActor) -> list[Step]:
    """Let an actor serve a scenario until its last request is over."""
    policy = Drawing(actor, default_rng([seed, 1]))
    world = World(scenario.servers, scenario.world, seed, report_every_s=inf)
    scheduler = Scheduler(
        servers=scenario.servers, services=scenario.services, policy=policy, rng=default_rng(seed),
        settings=scenario.scheduler,
    )  # fmt: skip
    simulator = Simulator(
        brain=scheduler, world=world, arrivals=jobs(scenario, seed), probes=Probes(world, scenario.world)
    )
    simulator.brain.configure(scenario.servers, scenario.services, 0.0)
    simulator.run()
    return policy.steps()
