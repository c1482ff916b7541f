"""The rule that knows what is true now."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from perllm.domain.action import Dispatch, Finish, Outcome
from perllm.domain.entry import Entry, EventKind
from perllm.domain.profile import PowerProfile
from perllm.domain.request import Requirement
from perllm.domain.service import WhenInfeasible
from perllm.errors import ConfigError
from perllm.scheduling.policies import CLAIRVOYANT, REGISTRY, contender_of
from perllm.simulation.contenders import SIMULATED
from perllm.simulation.lengths import Lengths
from perllm.simulation.scenario import Scenario, WorldSettings
from perllm.simulation.simulator import run
from tests.unit.simulation.machines import CHAT, CLOUD, LOAD, SERVER, scenario

STAYING = dataclasses.replace(LOAD, leaving_fraction=0.0)
HASTY = replace(CHAT, requirement=Requirement(total_s=2.0))
FAST = replace(
    CLOUD,
    speed=replace(SERVER.speed, weights_read_s=0.002, decode_token_s=0.001),
    power=PowerProfile(idle_w=10.0, prefill_w=310.0, decode_w=310.0, decode_full_w=310.0),
)
# Machines that are what they are said to be.
HURRIED: dict[str, Any] = {
    "servers": (SERVER, FAST),
    "services": (HASTY,),
    "policy": "oracle-greedy",
    "world": WorldSettings(prior_error=0.0, service_noise=0.0, link_jitter=0.0),
}


def said(traffic: Scenario) -> tuple[Mapping[str, Any], list[Entry]]:
    entries: list[Entry] = []
    return run(traffic, 1, sinks=[entries.append]).result, entries


def dispatches(entries: list[Entry]) -> list[Dispatch]:
    return [action for entry in entries for action in entry.actions if isinstance(action, Dispatch)]


def outcomes(entries: list[Entry]) -> list[Outcome]:
    return [action.outcome for entry in entries for action in entry.actions if isinstance(action, Finish)]


def test_only_the_simulator_knows_it_and_everybody_else_says_why_not() -> None:
    assert set(SIMULATED) - set(REGISTRY) == CLAIRVOYANT

    with pytest.raises(ConfigError, match="oracle-greedy sees what only a simulator knows"):
        contender_of("oracle-greedy+hold")


def test_one_request_at_a_time_takes_what_was_foretold() -> None:
    # A hundred seconds apart, and two seconds long at most: nobody else is there and nobody comes.
    _, entries = said(scenario(requests=40, rate_per_s=0.01, policy="oracle-greedy", load=STAYING))
    sent = {dispatch.request_id: (entry.at_s, dispatch) for entry in entries for dispatch in dispatches([entry])}
    ended_at_s = {outcome.request_id: entry.at_s for entry in entries for outcome in outcomes([entry])}

    assert 40 == len(sent) == len(ended_at_s)
    for request_id, (at_s, dispatch) in sent.items():
        assert pytest.approx(dispatch.predicted_total_s, rel=1e-9) == ended_at_s[request_id] - at_s


@pytest.mark.parametrize(
    ("tokens", "server_id"),
    # At 21 ms a token and 20 W at the edge, 3 ms and 300 W in the cloud: 60 tokens are in time at both and cost half as
    # much at the edge; 150 tokens take three seconds there.
    [(60, "edge"), (150, "cloud")],
)
def test_an_answer_goes_to_the_cheapest_server_that_is_fast_enough_for_its_true_length(
    tokens: int, server_id: str
) -> None:
    lengths = Lengths(median_tokens=tokens, sigma=0.0, minimum=tokens, maximum=tokens)
    load = dataclasses.replace(STAYING, output_tokens=lengths)
    _, entries = said(scenario(**HURRIED, requests=20, rate_per_s=0.05, load=load))

    assert {server_id} == {dispatch.server_id for dispatch in dispatches(entries)}


def test_the_hopeless_are_refused_at_once_and_nobody_else() -> None:
    lengths = Lengths(median_tokens=500, sigma=1.0, minimum=1, maximum=2000)
    requests = said(
        scenario(
            **{**HURRIED, "services": (replace(HASTY, when_infeasible=WhenInfeasible.REFUSE),)},
            requests=40,
            rate_per_s=0.01,
            load=dataclasses.replace(STAYING, output_tokens=lengths),
        )
    )[0]["requests"]

    assert requests["refused"] > 0
    assert 40 - requests["refused"] == requests["completed"] == requests["in_time"] > 0


@pytest.mark.parametrize("policy", ["oracle-greedy", "oracle-greedy+hold:spares=true"])
def test_the_same_seed_gives_the_same_decisions_under_load(policy: str) -> None:
    one, other = (said(scenario(policy=policy, rate_per_s=30.0, requests=100))[1] for _ in range(2))

    assert encoded(one) == encoded(other)


def test_one_that_spares_makes_nobody_late_who_is_in_time_without() -> None:
    greedy, sparing = (
        said(scenario(**{**HURRIED, "policy": policy}, rate_per_s=4.0, requests=200, load=STAYING))[0]["requests"]
        for policy in ("oracle-greedy", "oracle-greedy:spares=true")
    )

    assert greedy["in_time"] < sparing["in_time"]


def test_with_hold_requests_wait_here_for_room_instead_of_in_the_engines() -> None:
    pushed, held = (
        said(scenario(policy=f"oracle-greedy{way}", rate_per_s=60.0, requests=120))[1] for way in ("", "+hold")
    )

    def waited(entries: list[Entry]) -> bool:
        return any(entry.kind is EventKind.SUBMIT and not entry.actions for entry in entries)

    assert (False, True) == (waited(pushed), waited(held))


def encoded(entries: list[Entry]) -> bytes:
    return msgspec.msgpack.encode(entries, order="deterministic")
