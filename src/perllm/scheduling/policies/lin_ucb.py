"""LinUCB: the paper's reward as a linear function of a server's queue and the request's size."""

from __future__ import annotations

from collections.abc import Sequence
from math import log1p, sqrt
from typing import ClassVar, NamedTuple

from perllm.domain.request import Request
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.policy import Lesson, Policy
from perllm.scheduling.reward import ENERGY_SCALE_J, LAMBDA, check_scale, reward_of, teaches
from perllm.scheduling.ridge import Ridge

# GreenServ's exploration weight and ridge (arXiv 2601.17551) are 0.1 and 0.05, for rewards between 0 and 1; ours are
# several times as large, and so is the weight: with less, whatever was tried first may be kept for good.
ALPHA = 1.0
RIDGE = 1.0
# ParetoBandit's discount and bound on how far a neglected arm's variance grows (arXiv 2604.00136).
GAMMA = 0.997
LEAST_KEPT = 1 / 200
# Prompts of some thousand bytes come out at 1.
PROMPT_SCALE = 8.0


class Arm:
    """One (service, server) pair's model, and the service's decision at which it was last chosen."""

    __slots__ = ("chosen_at", "model")

    def __init__(self, gamma: float) -> None:
        self.model = Ridge(4, ridge=RIDGE, keep=gamma)
        self.chosen_at = 0


class Pending(NamedTuple):
    """A choice whose reward is not yet known: where, under which features, what it was expected to bring."""

    server_id: str
    features: list[float]
    expected: float
    observation: int


class LinUcb(Policy):
    """The paper's reward, linear in the queue and the prompt, at its upper bound (Li et al., WWW'10, disjoint arms).

    Arms are pairs of service and server; features are 1, unfinished requests per slot, their square, and the logarithm
    of the prompt. Adapted: models forget with each of their decisions, and a neglected arm's variance grows
    (ParetoBandit); a choice counts at once as having brought what was expected of it and is put right when its reward
    is known, so that a burst does not try one unknown server over and over.
    """

    name: ClassVar[str] = "lin-ucb"
    minds_time = False

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        gamma: float = GAMMA,
        lambda_: float = LAMBDA,
        energy_scale_j: float = ENERGY_SCALE_J,
    ) -> None:
        if not 0.0 < gamma <= 1.0 or alpha < 0.0:
            raise ValueError("gamma must be above 0 and at most 1, alpha 0 or above")
        check_scale(energy_scale_j)
        self._alpha = alpha
        self._gamma = gamma
        self._lambda = lambda_
        self._energy_scale_j = energy_scale_j
        self._arms: dict[str, dict[str, Arm]] = {}
        self._decisions: dict[str, int] = {}
        self._seen: dict[str, list[float]] = {}
        self._pending: dict[str, Pending] = {}

    def score(self, request: Request, candidates: Candidates, now_s: float) -> Sequence[float]:
        """Return theta' x + alpha * sqrt(x' A^-1 x) for each server."""
        decision = self._decisions.get(request.service, 0)
        prompt = log1p(request.prompt_bytes) / PROMPT_SCALE
        self._seen = {}
        scores = []
        for row in candidates.feasible:
            server = candidates.servers[row]
            queue = candidates.outstanding[row] / server.slots
            self._seen[server.server_id] = features = [1.0, queue, queue * queue, prompt]
            arm = self._arm(request.service, server.server_id)
            kept = max(self._gamma ** (decision - arm.chosen_at), LEAST_KEPT)
            scores.append(
                arm.model.predict(features) + self._alpha * sqrt(max(arm.model.variance(features), 0.0) / kept)
            )
        return scores

    def chose(self, request: Request, server_id: str, now_s: float) -> None:
        """Count the choice as having brought what is expected; one that was not scored teaches nothing."""
        features = self._seen.get(server_id)
        if features is None:
            return
        decision = self._decisions[request.service] = self._decisions.get(request.service, 0) + 1
        arm = self._arm(request.service, server_id)
        arm.chosen_at = decision
        expected = arm.model.predict(features)
        arm.model.observe(features, expected)
        self._pending[request.request_id] = Pending(server_id, features, expected, arm.model.observations)

    def learn(self, lesson: Lesson) -> None:
        pending = self._pending.pop(lesson.request_id, None)
        if pending is None or not teaches(lesson):
            return
        error = reward_of(lesson, self._lambda, self._energy_scale_j) - pending.expected
        model = self._arm(lesson.service, pending.server_id).model
        model.correct(pending.features, error, pending.observation)

    def _arm(self, service: str, server_id: str) -> Arm:
        arms = self._arms.setdefault(service, {})
        arm = arms.get(server_id)
        if arm is None:
            arm = arms[server_id] = Arm(self._gamma)
        return arm
