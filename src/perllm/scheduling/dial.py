"""How sure a plan must be, learned from what comes of it: a forecast's errors are corrected by the share in time."""

from __future__ import annotations

from math import exp, log

# What a late answer takes back, in units of the logarithm of the odds. Where nine in ten must be in time, nine that are
# give back as much.
STEP = 0.4
# How far what is asked of the forecast may lie from what is asked of the service: at 0.97, between 0.81 and 0.99.
LOWEST, HIGHEST = -2.0, 1.0
# Plans aim between the target and certainty, so that what they miss by chance is not missed by the service.
AIM = 0.5


class Dial:
    """The shift of one service, on the logarithm of the odds: negative where the forecast was too cautious."""

    __slots__ = ("shift",)

    def __init__(self) -> None:
        self.shift = 0.0

    def learn(self, in_time: bool, target: float) -> None:
        """Take in one answer: on average nothing moves where as many are in time as is aimed at."""
        aim = target + AIM * (1.0 - target)
        moved = STEP * (aim - in_time)
        self.shift = min(max(self.shift + moved, LOWEST), HIGHEST)

    def asked(self, target: float) -> float:
        """Return the probability of being in time to ask of a forecast for this target."""
        return shifted(target, self.shift)


def shifted(probability: float, by: float) -> float:
    """Return a probability moved on the logarithm of its odds; what is certain stays so."""
    if not 0.0 < probability < 1.0:
        return probability
    return 1.0 / (1.0 + exp(-log(probability / (1.0 - probability)) - by))
