"""An ensemble of small networks that learn one step at a time what an action leads to, and how sure they are of it.

After the code that RewardlessGuidance builds on (Tschantz et al. 2020, arXiv 2002.12636): every member predicts a
normal distribution for each outcome, members see different draws of the same experience, and where they disagree there
is something to learn. Smaller here, for a decision must not take milliseconds: five members of two layers of 32.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]

MEMBERS: Final = 5
WIDTH: Final = 32
# That code's: examples in a step of Adam, its rate, and the bounds that logarithms of variances are squashed into.
BATCH: Final = 50
RATE: Final = 1e-3
LEAST_LOG_VARIANCE: Final = -5.0
MOST_LOG_VARIANCE: Final = -1.0
# Adam's usual decays.
_MEAN_KEPT: Final = 0.9
_SQUARE_KEPT: Final = 0.999
_SMALL: Final = 1e-8
# Enough to forget what the fleet was like hours ago.
_REMEMBERED: Final = 10_000


class Prediction(NamedTuple):
    """Means and variances by member, case and outcome."""

    mean: Values
    variance: Values


class Passed(NamedTuple):
    """What went into each layer, what the hidden ones summed up, and what came out of the last."""

    inputs: list[Values]
    sums: list[Values]
    last: Values


class Layer:
    """The same layer of every member: weights (member, input, output), biases (member, 1, output), and Adam's sums."""

    __slots__ = ("_means", "_squares", "bias", "weight")

    def __init__(self, rng: np.random.Generator, inputs: int, outputs: int) -> None:
        self.weight = rng.standard_normal((MEMBERS, inputs, outputs)) / np.sqrt(inputs)
        self.bias = np.zeros((MEMBERS, 1, outputs))
        self._means = [np.zeros_like(self.weight), np.zeros_like(self.bias)]
        self._squares = [np.zeros_like(self.weight), np.zeros_like(self.bias)]

    def __call__(self, values: Values) -> Values:
        result: Values = values @ self.weight + self.bias
        return result

    def back(self, values: Values, slope: Values, step: int) -> Values:
        """Take one step of Adam against `slope`, and return the slope with regard to the layer's input."""
        passed: Values = slope @ self.weight.transpose(0, 2, 1)
        slopes = values.transpose(0, 2, 1) @ slope, slope.sum(axis=1, keepdims=True)
        rate = RATE * np.sqrt(1.0 - _SQUARE_KEPT**step) / (1.0 - _MEAN_KEPT**step)
        for parameter, one, mean, square in zip(
            (self.weight, self.bias), slopes, self._means, self._squares, strict=True
        ):
            mean += (1.0 - _MEAN_KEPT) * (one - mean)
            square += (1.0 - _SQUARE_KEPT) * (one * one - square)
            parameter -= rate * mean / (np.sqrt(square) + _SMALL)
        return passed


class Ensemble:
    """Members that predict outcomes from features, and all they have seen so far."""

    def __init__(self, features: int, outcomes: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        sizes = [features, WIDTH, WIDTH, 2 * outcomes]
        self._layers = [Layer(self._rng, *pair) for pair in pairwise(sizes)]
        self._features = np.zeros((_REMEMBERED, features))
        self._outcomes = np.zeros((_REMEMBERED, outcomes))
        self._known = np.zeros((_REMEMBERED, outcomes))
        self.seen = 0
        self._steps = 0

    def predict(self, features: Values) -> Prediction:
        """Return what each member expects of each case."""
        return _split(self._forward(features).last)

    def remember(self, features: Values, outcomes: Values) -> None:
        """Take in what one case led to; outcomes that nobody knows are NaN."""
        place = self.seen % _REMEMBERED
        self._features[place] = features
        self._known[place] = known = np.isfinite(outcomes)
        self._outcomes[place] = np.where(known, outcomes, 0.0)
        self.seen += 1

    def learn(self) -> None:
        """Let every member take one step on cases of its own drawing."""
        self._steps += 1
        drawn = self._rng.integers(min(self.seen, _REMEMBERED), size=(MEMBERS, BATCH))
        passed = self._forward(self._features[drawn])
        slope = _slope(passed.last, self._outcomes[drawn], self._known[drawn])
        for number in reversed(range(len(self._layers))):
            slope = self._layers[number].back(passed.inputs[number], slope, self._steps)
            if number > 0:
                slope = slope * _swish_slope(passed.sums[number - 1])

    def _forward(self, features: Values) -> Passed:
        inputs, sums = [features], []
        for layer in self._layers[:-1]:
            sums.append(layer(inputs[-1]))
            inputs.append(sums[-1] / (1.0 + np.exp(-sums[-1])))
        return Passed(inputs, sums, self._layers[-1](inputs[-1]))


def information_gain(prediction: Prediction) -> Values:
    """Return how much members would learn of their weights from each case, in nats.

    The entropy of their mixture, taken as a normal distribution, less the mean entropy of each.
    """
    mixed = prediction.variance.mean(axis=0) + prediction.mean.var(axis=0)
    own = np.log(prediction.variance).mean(axis=0)
    gain: Values = 0.5 * (np.log(mixed) - own).sum(axis=-1)
    return gain


def _split(last: Values) -> Prediction:
    mean, raw = np.split(last, 2, axis=-1)
    return Prediction(mean, np.exp(_log_variance(raw)))


def _log_variance(raw: Values) -> Values:
    result: Values = LEAST_LOG_VARIANCE + (MOST_LOG_VARIANCE - LEAST_LOG_VARIANCE) / (1.0 + np.exp(-raw))
    return result


def _slope(last: Values, outcomes: Values, known: Values) -> Values:
    """Return the slope of the mean negative log-likelihood with regard to the last layer."""
    mean, raw = np.split(last, 2, axis=-1)
    log_variance = _log_variance(raw)
    away = mean - outcomes
    precision = np.exp(-log_variance)
    share = (log_variance - LEAST_LOG_VARIANCE) / (MOST_LOG_VARIANCE - LEAST_LOG_VARIANCE)
    of_raw = 0.5 * (1.0 - away * away * precision) * share * (1.0 - share) * (MOST_LOG_VARIANCE - LEAST_LOG_VARIANCE)
    slope: Values = np.concatenate([away * precision * known, of_raw * known], axis=-1) / BATCH
    return slope


def _swish_slope(before: Values) -> Values:
    gate = 1.0 / (1.0 + np.exp(-before))
    slope: Values = gate * (1.0 + before * (1.0 - gate))
    return slope
