"""What the learners promise: little regret in a still world, recovery in one that changes, patience with late news."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from perllm.scheduling.policies.cs_ucb_paper import CsUcbPaper
from perllm.scheduling.policies.discounted_ucb import DiscountedUcb
from perllm.scheduling.policies.lin_ucb import LinUcb
from perllm.scheduling.policies.round_robin import RoundRobin
from perllm.scheduling.policies.sliding_window_ucb import SlidingWindowUcb
from perllm.scheduling.policy import Policy
from tests.laws.bandit_world import MEANS, BanditWorld, regret

Make = Callable[[], Policy]
# As they are where nothing ever changes: with nothing forgotten.
STILL: dict[str, Make] = {
    "cs-ucb-paper": CsUcbPaper,
    "discounted-ucb": lambda: DiscountedUcb(gamma=1.0),
    "sliding-window-ucb": lambda: SlidingWindowUcb(window=10**9),
    "lin-ucb": lambda: LinUcb(gamma=1.0, alpha=1.0),
}
LEARNERS: dict[str, Make] = {
    "cs-ucb-paper": CsUcbPaper,
    "discounted-ucb": DiscountedUcb,
    "sliding-window-ucb": SlidingWindowUcb,
    "lin-ucb": LinUcb,
}
TIMES = (100, 316, 1000, 3162, 10_000)
# The best has become the worst and the last the best, though not as good as the best was.
SWAPPED = (0.4, 0.7, 0.6, 0.3, 0.5, 0.8)


def slope(make: Make) -> float:
    """Return how the logarithm of regret grows with that of plays: 1 where nothing is learned."""
    at = regret(BanditWorld(make()).play(TIMES[-1]))[[plays - 1 for plays in TIMES]]
    return float(np.polyfit(np.log(TIMES), np.log(at), 1)[0])


@pytest.mark.parametrize("make", STILL.values(), ids=STILL)
def test_regret_grows_more_slowly_than_plays_in_a_still_world(make: Make) -> None:
    assert slope(make) < 0.7


def test_whoever_learns_nothing_has_regret_with_every_play() -> None:
    assert slope(RoundRobin) > 0.95


GAMMA = 0.995
MEMORY = round(1 / (1 - GAMMA))


def share_regained(policy: Policy) -> float:
    """Return which share of the best reward is reached 3 memories after the servers have swapped their rewards."""
    world = BanditWorld(policy)
    world.play(10_000)
    world.play(3 * MEMORY, SWAPPED)
    chosen = world.play(MEMORY, SWAPPED)
    return float(np.mean([SWAPPED[row] for row in chosen]) / max(SWAPPED))


@pytest.mark.parametrize(
    "policy",
    [DiscountedUcb(gamma=GAMMA), SlidingWindowUcb(window=MEMORY)],
    ids=["discounted-ucb", "sliding-window-ucb"],
)
def test_who_forgets_recovers_from_a_swap(policy: Policy) -> None:
    assert share_regained(policy) >= 0.9


def test_the_papers_rule_does_not_recover_from_a_swap() -> None:
    assert share_regained(CsUcbPaper()) < 0.75


@pytest.mark.parametrize("make", STILL.values(), ids=STILL)
def test_late_news_costs_a_bounded_number_of_wrong_choices(make: Make) -> None:
    """Joulani et al. (2013): what is outstanding adds to the regret, it does not multiply it."""
    delay, plays, gap = 50, 3000, max(MEANS) - min(MEANS)

    prompt, late = (regret(BanditWorld(make(), delay=each).play(plays))[-1] for each in (0, delay))

    assert late <= prompt + 2 * len(MEANS) * delay * gap


@pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS)
def test_the_first_burst_of_a_new_service_spreads_over_the_servers(make: Make) -> None:
    """Twelve requests before the first answer: two for each server, not twelve for one."""
    burst = BanditWorld(make(), delay=100).play(2 * len(MEANS))

    assert dict.fromkeys(range(len(MEANS)), 2) == Counter(burst)
