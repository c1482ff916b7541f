"""The paper's reward of one decision, for every policy that learns from it."""

from __future__ import annotations

from perllm.scheduling.policy import Evident, Lesson

# The paper publishes neither the weight of the constraints nor that of exploration; these are ours.
LAMBDA = 1.0
DELTA = 0.5
# The reward subtracts joules from a fraction, so joules need a scale, which the paper does not give. Ours: a request of
# some hundred tokens on the paper's machines costs from some 10 J (batched, cloud) to some 400 J (alone, CPU edge). It
# is fixed: a scale taken from what each decision offers would make the reward drift.
ENERGY_SCALE_J = 100.0


def check_scale(energy_scale_j: float) -> None:
    """Raise ValueError unless joules can be counted in this unit."""
    if energy_scale_j <= 0.0:
        raise ValueError("energy_scale_j must be above 0")


def teaches(lesson: Lesson) -> bool:
    """Say whether an ending has a reward: cancelled and failed attempts and unknown joules have none."""
    return lesson.evident is not Evident.NOT and lesson.infer_j is not None


def reward_of(lesson: Lesson, weight: float = LAMBDA, energy_scale_j: float = ENERGY_SCALE_J) -> float:
    """Return -E + lambda * f(y) (eq. 4), with `weight` for lambda and joules in units of `energy_scale_j`."""
    spent_j = lesson.transmit_j + (lesson.infer_j or 0.0)
    return weight * satisfaction(lesson) - spent_j / energy_scale_j


def satisfaction(lesson: Lesson) -> float:
    """Return f(y), the margin of the tightest constraint as a fraction of its limit (eq. 3): below 0 where broken."""
    margins = [lesson.free_slots_fraction, lesson.free_bandwidth_fraction]
    if lesson.requirement_s is not None:
        margins.append((lesson.requirement_s - lesson.latency_s) / lesson.requirement_s)
    return min(margins)
