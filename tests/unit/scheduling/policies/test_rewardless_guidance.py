"""Active inference: guidance without a reward, information gain, and learning from ends."""

from __future__ import annotations

from math import isnan, log
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from perllm.domain.request import Requirement
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.neural.ensemble import Prediction
from perllm.scheduling.policies.rewardless_guidance import RewardlessGuidance, guidance_of, outcomes_of
from perllm.scheduling.policy import Evident
from tests.unit.scheduling.builders import EDGE, request
from tests.unit.scheduling.policies.candidates import candidates
from tests.unit.scheduling.policies.lessons import GOOD


def sure(latency_s: float, joules: float = 50.0) -> Prediction:
    """Return one member's prediction of one server, as sure as can be."""
    mean = np.array([[[log(latency_s), log(joules / 50.0), 0.5, 0.5]]])
    return Prediction(mean, np.full(mean.shape, 1e-12))


def serve(
    policy: RewardlessGuidance, columns: Candidates, latency_s: dict[str, float], count: int, **how: Any
) -> list[str]:
    """Let requests be served one after another, each server taking its time; return who served them."""
    visited = []
    for number in range(count):
        asked = request(f"r{number}", requirement=Requirement(total_s=4.0))
        scores = policy.score(asked, columns, 0.0)
        server_id = columns.servers[columns.feasible[scores.index(max(scores))]].server_id
        policy.chose(asked, server_id, 0.0)
        policy.learn(
            replace(GOOD, request_id=asked.request_id, server_id=server_id, total_s=latency_s[server_id], **how)
        )
        visited.append(server_id)
    return visited


@pytest.mark.parametrize(
    ("latency_s", "required_s", "worth"),
    [(2.0, 4.0, 1.5), (0.5, 4.0, 3.0), (5.0, 4.0, 0.0), (5.0, None, 1.2), (0.01, 4.0, 5.0)],
)
def test_guidance_is_one_over_latency_plus_accuracy_where_the_task_is_done_in_time(
    latency_s: float, required_s: float | None, worth: float
) -> None:
    """The last is bounded by the fastest answer so far, a quarter of a second."""
    assert pytest.approx(worth) == guidance_of(sure(latency_s), required_s, fastest_s=0.25, energy=False)[0, 0]


def test_in_doubt_guidance_counts_as_much_as_being_in_time_is_likely() -> None:
    prediction = Prediction(sure(4.0).mean, np.full((1, 1, 4), 0.09))

    assert pytest.approx(0.5 * 1.25) == guidance_of(prediction, 4.0, fastest_s=0.25, energy=False)[0, 0]


def test_joules_count_only_in_the_variant_with_energy() -> None:
    cheap, dear = sure(2.0, joules=10.0), sure(2.0, joules=210.0)

    assert (guidance_of(cheap, 4.0, 0.25, energy=False) == guidance_of(dear, 4.0, 0.25, energy=False)).all()
    assert pytest.approx(2.0) == (
        guidance_of(cheap, 4.0, 0.25, energy=True)[0, 0] - guidance_of(dear, 4.0, 0.25, energy=True)[0, 0]
    )


def test_an_end_is_seconds_joules_and_what_was_left() -> None:
    assert pytest.approx([log(2.0), log(50.0 / 50.0), 0.5, 1.0]) == outcomes_of(GOOD)
    assert isnan(outcomes_of(replace(GOOD, infer_j=None))[1])


def test_it_learns_who_is_in_time() -> None:
    policy = RewardlessGuidance()
    columns = candidates([1.0, 1.0])
    serve(policy, columns, {"s0": 8.0, "s1": 1.0}, 400)

    late, soon = policy.score(request(requirement=Requirement(total_s=4.0)), columns, 0.0)

    assert soon > late + 1.0


@pytest.mark.parametrize("seed", range(3))
def test_who_was_never_tried_is_tried(seed: int) -> None:
    policy, columns = RewardlessGuidance(seed=seed), candidates([1.0, 1.0, 1.0])

    assert {"s0", "s1", "s2"} == set(serve(policy, columns, {"s0": 1.0, "s1": 1.0, "s2": 1.0}, 300))


def test_a_server_without_a_free_slot_is_an_invalid_action() -> None:
    columns = candidates([1.0] * 3, outstanding=[2, 5, 1])

    full, crowded, free = RewardlessGuidance().score(request(), columns, 0.0)

    assert free > full > crowded


@pytest.mark.parametrize("changes", [{"evident": Evident.NOT}, {"request_id": "stranger"}])
def test_what_was_cancelled_or_is_not_ours_teaches_nothing(changes: dict[str, Any]) -> None:
    policy, untaught = RewardlessGuidance(), RewardlessGuidance()
    columns = candidates([1.0, 1.0])
    for number in range(40):
        asked = request(f"r{number}")
        policy.score(asked, columns, 0.0)
        policy.chose(asked, "s0", 0.0)
        policy.learn(replace(GOOD, **{"request_id": asked.request_id, **changes}))

    assert list(untaught.score(request(), columns, 0.0)) == list(policy.score(request(), columns, 0.0))


def test_an_attempt_that_ran_out_of_time_took_at_least_so_long() -> None:
    policy, columns = RewardlessGuidance(), candidates([1.0])
    serve(policy, columns, {"s0": 60.0}, 600, evident=Evident.AT_LEAST)

    assert policy.score(request(requirement=Requirement(total_s=4.0)), columns, 0.0)[0] < 0.5


def test_a_server_is_known_by_its_machine_and_by_its_place() -> None:
    policy = RewardlessGuidance()
    columns = replace(candidates([1.0, 1.0]), servers=(EDGE, replace(EDGE, server_id="twin")))

    one, other = policy.score(request(), columns, 0.0)

    assert one != other


def test_seeds_start_from_other_networks() -> None:
    columns = candidates([1.0, 1.0])

    assert list(RewardlessGuidance(seed=1).score(request(), columns, 0.0)) != list(
        RewardlessGuidance(seed=2).score(request(), columns, 0.0)
    )
