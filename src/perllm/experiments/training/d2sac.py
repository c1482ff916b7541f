"""D2SAC in torch: a diffusion actor and two critics that hold each other back (Du et al., arXiv 2303.13052).

Learning rates, weight decay, entropy temperature and soft update are the paper's. Two things are ours: actions that
are not allowed are masked, and the batch is half of the paper's 512, for training on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from perllm.experiments.training.transitions import Batch
from perllm.scheduling.neural.diffusion import EMBEDDING, STEPS, Schedule, embedding

Tensor = Any

ACTOR_RATE: Final = 1e-4
CRITIC_RATE: Final = 1e-3
WEIGHT_DECAY: Final = 1e-4
TEMPERATURE: Final = 0.05
SOFT_UPDATE: Final = 0.005
BATCH: Final = 256
WIDTH: Final = 256

# A score that no softmax gives any weight.
_NEVER: Final = -1e9


class Actor:
    """Denoises scores with a network that sees scores, state and step; `perllm.scheduling.neural` runs the same."""

    def __init__(self, states: int, actions: int, width: int = WIDTH) -> None:
        self.actions = actions
        self.time = nn.Sequential(nn.Linear(EMBEDDING, 32), nn.Mish(), nn.Linear(32, EMBEDDING))
        self.net = _mlp(actions + states + EMBEDDING, width, actions)
        self.schedule = Schedule.of()
        self.embedded = _embedded().float()

    def parameters(self) -> list[Tensor]:
        return [*self.time.parameters(), *self.net.parameters()]

    def scores(self, state: Tensor, noise: Tensor) -> Tensor:
        """Return the scores of all actions; `noise` has what is started from first, then what the steps add."""
        schedule, scores, steps = self.schedule, noise[0], self.time(self.embedded)
        for step in reversed(range(STEPS)):
            seen = torch.cat([scores, state, steps[step].expand(len(state), -1)], dim=1)
            weight = float(schedule.beta[step] / np.sqrt(1.0 - schedule.alpha_product[step]))
            scores = (scores - weight * torch.tanh(self.net(seen))) / float(np.sqrt(schedule.alpha[step]))
            if step > 0:
                scores = scores + float(schedule.added_sd[step]) * noise[STEPS - step]
        return scores

    def probabilities(self, state: Tensor, allowed: Tensor) -> Tensor:
        """Return the chance of each allowed action under fresh noise."""
        scores = self.scores(state, torch.randn(STEPS, len(state), self.actions))
        return torch.softmax(scores.masked_fill(~allowed, _NEVER), dim=1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return weights and biases as `DiffusionActor` takes them."""
        layers = {"time0": self.time[0], "time1": self.time[2], "net0": self.net[0], "net1": self.net[2]}
        layers["net2"] = self.net[4]
        return {
            f"{name}.{kind}": getattr(layer, kind).detach().double().numpy().copy()
            for name, layer in layers.items()
            for kind in ("weight", "bias")
        }

    def rounded(self, kind: type[np.floating[Any]]) -> Mapping[str, NDArray[Any]]:
        """Round the weights to what will be stored, take them over, compute in double from now on, and return them."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.tensor(parameter.numpy().astype(kind).astype(np.float32)))
        self.time, self.net, self.embedded = self.time.double(), self.net.double(), _embedded()
        return {name: values.astype(kind) for name, values in self.arrays().items()}


class D2sac:
    """Actor, two critics, and a slow copy of each."""

    def __init__(self, actor: Actor, states: int, width: int = WIDTH) -> None:
        self.actor, self.slow_actor = actor, deepcopy(actor)
        self.critics = [_mlp(states, width, actor.actions) for _ in range(2)]
        self.slow_critics = deepcopy(self.critics)
        self._actor_steps = torch.optim.Adam(actor.parameters(), lr=ACTOR_RATE, weight_decay=WEIGHT_DECAY)
        self._critic_steps = torch.optim.Adam(_all(self.critics), lr=CRITIC_RATE, weight_decay=WEIGHT_DECAY)

    def update(self, batch: Batch) -> tuple[float, float]:
        """Take one step on the critics and one on the actor; return their losses."""
        columns = Batch(*(torch.from_numpy(column) for column in batch))
        critic_loss = self._critic_loss(columns)
        _step(self._critic_steps, critic_loss)
        actor_loss = self._actor_loss(columns)
        _step(self._actor_steps, actor_loss)
        self._follow()
        return float(critic_loss.detach()), float(actor_loss.detach())

    def _critic_loss(self, batch: Batch) -> Tensor:
        """Return the squared distance to the gain so far plus what the slow networks expect of the rest."""
        with torch.no_grad():
            chances = self.slow_actor.probabilities(batch.later_state, batch.later_allowed)
            values = torch.minimum(*(critic(batch.later_state) for critic in self.slow_critics))
            target = batch.gain + batch.kept * (chances * values).sum(dim=1)
        chosen = [critic(batch.state).gather(1, batch.action[:, None])[:, 0] for critic in self.critics]
        return sum(((value - target) ** 2).mean() for value in chosen)

    def _actor_loss(self, batch: Batch) -> Tensor:
        """Return minus the value expected of the actor's chances, minus their entropy."""
        chances = self.actor.probabilities(batch.state, batch.allowed)
        with torch.no_grad():
            values = torch.minimum(*(critic(batch.state) for critic in self.critics))
        entropy = -(chances * torch.log(chances + 1e-12)).sum(dim=1)
        return -((chances * values).sum(dim=1) + TEMPERATURE * entropy).mean()

    def _follow(self) -> None:
        """Move the slow copies a little towards the networks."""
        slow = [*self.slow_actor.parameters(), *_all(self.slow_critics)]
        with torch.no_grad():
            for old, new in zip(slow, [*self.actor.parameters(), *_all(self.critics)], strict=True):
                old.lerp_(new, SOFT_UPDATE)


def _embedded() -> Tensor:
    return torch.from_numpy(np.stack([embedding(step) for step in range(STEPS)]))


def _mlp(inputs: int, width: int, outputs: int) -> Tensor:
    layers = [nn.Linear(inputs, width), nn.Mish(), nn.Linear(width, width), nn.Mish(), nn.Linear(width, outputs)]
    return nn.Sequential(*layers)


def _all(networks: Iterable[Tensor]) -> list[Tensor]:
    return [parameter for network in networks for parameter in network.parameters()]


def _step(optimiser: Tensor, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
