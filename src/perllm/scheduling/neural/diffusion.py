"""A policy that is a reverse diffusion over the scores of actions (D2SAC's actor), run in plain numpy.

Du et al., "Diffusion-based Reinforcement Learning for Edge-enabled AI-Generated Content Services", IEEE TMC 2024
(arXiv 2303.13052). Where paper and published code differ, the code is followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]

# The paper's: five steps between these rates.
STEPS: Final = 5
LEAST_BETA: Final = 0.1
MOST_BETA: Final = 10.0
# The published code's embedding of a step's number.
EMBEDDING: Final = 16
_LONGEST_PERIOD: Final = 10_000.0
# Above this, e^x is all there is to log(1 + e^x).
_LINEAR_FROM: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Schedule:
    """How much noise each step takes away, and what is added again: entry t - 1 belongs to step t."""

    beta: Values
    alpha: Values
    alpha_product: Values
    added_sd: Values

    @classmethod
    def of(cls, steps: int = STEPS) -> Schedule:
        """Return the variance-preserving schedule of so many steps."""
        step = np.arange(1, steps + 1)
        beta = 1.0 - np.exp(-LEAST_BETA / steps - (2 * step - 1) / (2 * steps**2) * (MOST_BETA - LEAST_BETA))
        product = np.cumprod(1.0 - beta)
        before = np.concatenate(([1.0], product[:-1]))
        added = np.sqrt((1.0 - before) / (1.0 - product) * beta)
        return cls(beta=beta, alpha=1.0 - beta, alpha_product=product, added_sd=added)


def embedding(step: int) -> Values:
    """Return the sines and cosines that stand for a step's number, counted from 0."""
    half = EMBEDDING // 2
    angles = step * _LONGEST_PERIOD ** (-np.arange(half) / (half - 1))
    return np.concatenate((np.sin(angles), np.cos(angles)))


def mish(values: Values) -> Values:
    """Return x tanh(ln(1 + e^x)), in the form that takes one exponential."""
    grown = np.exp(np.minimum(values, _LINEAR_FROM))
    grown = grown * (grown + 2.0)
    result: Values = values * (grown / (grown + 2.0))
    return result


def softmax(scores: Values) -> Values:
    """Return the probabilities that stand behind scores."""
    grown = np.exp(scores - scores.max())
    result: Values = grown / grown.sum()
    return result


class DiffusionActor:
    """Scores of all actions in a state: what is left of noise after `STEPS` steps of taking away what a network sees.

    The arrays are weights and biases by layer: `time0`, `time1` for the step, `net0` to `net2` for scores, state and
    step together, in that order.
    """

    __slots__ = ("_first_scores", "_first_state", "_second", "_steps", "_third", "actions", "states")

    def __init__(self, arrays: Mapping[str, Values]) -> None:
        layers = {name: values.astype(float) for name, values in arrays.items()}
        self._third = layers["net2.weight"], layers["net2.bias"]
        self._second = layers["net1.weight"], layers["net1.bias"]
        first = layers["net0.weight"]
        self.actions = len(self._third[1])
        self.states = first.shape[1] - self.actions - EMBEDDING
        scores, state, step = np.split(first, [self.actions, self.actions + self.states], axis=1)
        self._first_scores, self._first_state = scores.copy(), state.copy()
        # What a step contributes to the first layer is the same in every decision.
        self._steps = [layers["net0.bias"] + step @ self._seen_step(layers, number) for number in range(STEPS)]

    def scores(self, state: Sequence[float] | Values, noise: Values | None = None) -> Values:
        """Return the scores of all actions.

        `noise` holds what is started from and, in the following rows, what the steps add; without it, noise is taken
        at its mean: nothing.
        """
        seen = self._first_state @ np.asarray(state)
        scores = np.zeros(self.actions) if noise is None else noise[0]
        for step in reversed(range(STEPS)):
            drift = _BETA[step] / _LEFT[step] * self._noise(scores, seen + self._steps[step])
            scores = (scores - drift) / _KEPT[step]
            if noise is not None and step > 0:
                scores = scores + _ADDED[step] * noise[STEPS - step]
        return scores

    def _noise(self, scores: Values, seen: Values) -> Values:
        hidden = mish(self._first_scores @ scores + seen)
        hidden = mish(self._second[0] @ hidden + self._second[1])
        result: Values = np.tanh(self._third[0] @ hidden + self._third[1])
        return result

    @staticmethod
    def _seen_step(layers: Mapping[str, Values], step: int) -> Values:
        hidden = mish(layers["time0.weight"] @ embedding(step) + layers["time0.bias"])
        result: Values = layers["time1.weight"] @ hidden + layers["time1.bias"]
        return result


_SCHEDULE: Final = Schedule.of()
_BETA: Final = _SCHEDULE.beta.tolist()
_LEFT: Final = np.sqrt(1.0 - _SCHEDULE.alpha_product).tolist()
_KEPT: Final = np.sqrt(_SCHEDULE.alpha).tolist()
_ADDED: Final = _SCHEDULE.added_sd.tolist()
