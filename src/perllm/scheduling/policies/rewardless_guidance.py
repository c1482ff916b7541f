"""RewardlessGuidance: go where an answer is expected in time and soon, or where there is most to learn."""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, inf, log, log1p, nan, sqrt
from typing import ClassVar

import numpy as np

from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.neural.ensemble import Ensemble, Prediction, Values, information_gain
from perllm.scheduling.neural.facts import (
    backlog_of,
    bytes_per_s_of,
    capacity_tokens_per_s,
    expected_tokens_of,
    free_fraction,
    prompt_tokens_of,
)
from perllm.scheduling.policy import Evident, Lesson, Policy

# The paper's P is how often an answer is right, which differs between its models; here all models count as equivalent.
ACCURACY = 1.0
# As in every policy's reward; the variant with energy is ours.
ENERGY_SCALE_J = 100.0
# Joules come out at about 0 on a logarithmic scale.
_USUAL_J = 50.0
# Which server it is: its turn in the fleet's order, for as many as have places of their own.
_PLACES = 8
_OF_SERVER = 8
_OF_REQUEST = 2
_FEATURES = _OF_REQUEST + _OF_SERVER + _PLACES
# What members predict: the logarithm of seconds, that of joules, and what is then left of slots and bandwidth.
_LATENCY, _JOULES = 0, 1
_OUTCOMES = 4
# The code it builds on learns a hundred times from all of an episode's tasks; here once from some for every second one.
_LESSONS_PER_STEP = 2
_FEWEST_LESSONS = 10
# No answer is expected sooner than this until one of its service has been seen.
_FASTEST_S = 0.1
# Below every score of a server with a free slot: to give out more than is free is an invalid action, which fails.
_INVALID = -1e6
# Scores that differ by less are equal: the last digits depend on the machine that multiplies.
_DIGITS = 9


class RewardlessGuidance(Policy):
    """Active inference (He, Fang, Yu, Leung, IEEE TMC 2024): guidance without a reward, plus information gain.

    Of the paper: an ensemble learns what actions lead to; an action is worth what is expected of tc (1 / L + P), L the
    seconds, P the accuracy and tc whether the task is done in time (eq. 11), plus the information that its outcome is
    expected to give on the ensemble. Energy plays no part, unless `energy` asks for a variant of ours that subtracts
    it. An action that takes more than is free is invalid: servers with free slots come first, then the least crowded.
    Adapted: an action is one of a few servers and lasts for one step, so that all are tried instead of searched by
    cross-entropy; one network serves all servers, told which; it learns after every second end instead of after
    episodes; accuracy is the same everywhere; 1 / L is bounded by the service's fastest answer so far.
    """

    name: ClassVar[str] = "rewardless-guidance"
    holds: ClassVar[bool] = False
    minds_time = False

    def __init__(self, *, energy: bool = False, gain_weight: float = 1.0, seed: int = 0) -> None:
        self._energy = energy
        self._gain_weight = gain_weight
        self._ensemble = Ensemble(_FEATURES, _OUTCOMES, seed)
        self._fixed: dict[str, list[float]] = {}
        self._seen: dict[str, Values] = {}
        self._open: dict[str, Values] = {}
        self._fastest_s: dict[str, float] = {}

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        """Return guidance plus weighted information gain for each server."""
        rows = candidates.feasible
        features = np.array([self._features(request, candidates, row) for row in rows])
        self._seen = {candidates.servers[row].server_id: features[at] for at, row in enumerate(rows)}
        prediction = self._ensemble.predict(features)
        fastest_s = self._fastest_s.get(request.service, _FASTEST_S)
        guidance = guidance_of(prediction, request.requirement.total_s, fastest_s, energy=self._energy)
        scores = guidance.mean(axis=0) + self._gain_weight * information_gain(prediction)
        crowds = [_crowd(candidates.servers[row], candidates.outstanding[row]) for row in rows]
        return [
            _INVALID - crowd if crowd >= 1.0 else round(score, _DIGITS)
            for score, crowd in zip(scores.tolist(), crowds, strict=True)
        ]

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        if server_id in self._seen:
            self._open[request.request_id] = self._seen[server_id]

    def learn(self, lesson: Lesson) -> None:
        """Take in what an attempt led to; one that ran out of time took at least so long."""
        features = self._open.pop(lesson.request_id, None)
        if features is None or lesson.evident is Evident.NOT:
            return
        if lesson.evident is Evident.FULLY:
            fastest_s = self._fastest_s.get(lesson.service, inf)
            self._fastest_s[lesson.service] = min(fastest_s, lesson.total_s)
        self._ensemble.remember(features, outcomes_of(lesson))
        if self._ensemble.seen % _LESSONS_PER_STEP == 0 and self._ensemble.seen >= _FEWEST_LESSONS:
            self._ensemble.learn()

    def _features(self, request: Request, candidates: Candidates, row: int) -> list[float]:
        server, outstanding = candidates.servers[row], candidates.outstanding[row]
        return [
            log1p(prompt_tokens_of(request)) - 5.0,
            log1p(expected_tokens_of(candidates, row)) - 3.5,
            free_fraction(server, outstanding),
            log1p(backlog_of(server, outstanding)),
            *self._of_server(server),
        ]

    def _of_server(self, server: Server) -> list[float]:
        """Return what is known of a server's machine and link, and which it is; worked out once."""
        fixed = self._fixed.get(server.server_id)
        if fixed is None:
            place = [0.0] * _PLACES
            place[len(self._fixed) % _PLACES] = 1.0
            fixed = self._fixed[server.server_id] = _described(server) + place
        return fixed


def guidance_of(prediction: Prediction, required_s: float | None, fastest_s: float, *, energy: bool) -> Values:
    """Return what each member expects of tc (1 / L + P) for each server, less joules where they count."""
    mean, variance = prediction.mean[..., _LATENCY], prediction.variance[..., _LATENCY]
    worth = 1.0 / np.maximum(np.exp(mean), fastest_s) + ACCURACY
    if required_s is not None:
        worth = worth * _normal_cdf((log(max(required_s, 1e-9)) - mean) / np.sqrt(variance))
    if energy:
        worth = worth - _USUAL_J * np.exp(prediction.mean[..., _JOULES]) / ENERGY_SCALE_J
    return np.asarray(worth)


def _crowd(server: Server, outstanding: int) -> float:
    return outstanding / server.slots


def outcomes_of(lesson: Lesson) -> Values:
    """Return what an attempt led to, as members predict it; joules that nobody knows are NaN."""
    spent_j = nan if lesson.infer_j is None else lesson.infer_j + lesson.transmit_j
    return np.array(
        [
            log(max(lesson.total_s, 1e-3)),
            log(spent_j / _USUAL_J) if spent_j > 0.0 else nan,
            lesson.free_slots_fraction,
            lesson.free_bandwidth_fraction,
        ]
    )


def _described(server: Server) -> list[float]:
    """Return logarithms of a machine's speeds and of its link's rate, about within one of 0; and the distance."""
    speed = server.speed
    return [
        log(capacity_tokens_per_s(server)) / 2.0 - 2.5,
        (log(speed.weights_read_s + speed.decode_token_s + 1e-6) + 3.0) / 2.0,
        (log(speed.prefill_token_s + 1e-9) + 6.0) / 3.0,
        (log(bytes_per_s_of(server)) - 16.5) / 2.0,
        server.link.rtt_s * 10.0,
        server.power.decode_full_w / 400.0,
    ]


def _normal_cdf(values: Values) -> Values:
    halves = [0.5 * (1.0 + erf(value / sqrt(2.0))) for value in values.ravel().tolist()]
    return np.array(halves).reshape(values.shape)
