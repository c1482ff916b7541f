"""A journal played again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from msgspec.structs import replace as altered

from perllm.domain.action import Fate, Outcome
from perllm.domain.attempt import EndingKind
from perllm.domain.reason import Refusal
from perllm.domain.request import Requirement
from perllm.domain.service import WhenInfeasible, WhenLate
from perllm.errors import ConfigError
from perllm.scheduling.settings import SchedulerSettings
from perllm.simulation.counterfactual import EXACT, Past, Replay, replay_as_recorded, replay_freely
from perllm.simulation.lengths import Lengths
from perllm.simulation.trouble import Outage, Trouble
from tests.unit.simulation.counterfactual.pasts import NOBODY_LEAVES, past
from tests.unit.simulation.machines import CHAT, CLOUD, LOAD, SERVER

BOTH = pytest.mark.parametrize("replayed", [replay_as_recorded, replay_freely])
Replayed = Callable[[Past], Replay]

# Answers of one length, so that the length of one that was never finished can be guessed.
ALIKE = Lengths(median_tokens=30, sigma=0.0, minimum=1, maximum=200)


def real_of(happened: Past) -> dict[str, Outcome]:
    return {lived.request.request_id: lived.outcome for lived in happened.lived if lived.outcome is not None}


def figures(outcomes: Mapping[str, Outcome]) -> dict[str, tuple[object, ...]]:
    """Return of every request what can be compared exactly, and what must agree to rounding."""
    return {
        request_id: (
            one.fate,
            one.refusal,
            one.server_id,
            one.attempts,
            one.in_time,
            one.counted,
            one.output_tokens,
            pytest.approx(one.finished_at_s, rel=1e-9),
            one.first_token_at_s and pytest.approx(one.first_token_at_s, rel=1e-9),
            pytest.approx(one.energy.total_j, rel=1e-6),
        )
        for request_id, one in outcomes.items()
    }


@BOTH
@pytest.mark.parametrize("policy", ["round-robin", "least-outstanding", "cs-ucb", "energy-greedy"])
def test_in_the_world_it_was_recorded_in_a_journal_comes_out_as_it_was(policy: str, replayed: Replayed) -> None:
    happened = past(policy=policy)

    played = replayed(happened)

    assert 200 == len(played.outcomes)
    assert figures(real_of(happened)) == figures(played.outcomes)
    assert {True} == set(played.result["laws"].values())


@BOTH
def test_clients_leave_when_they_left(replayed: Replayed) -> None:
    happened = past(load=replace(LOAD, output_tokens=ALIKE, leaving_fraction=0.4, leaving_after_s=0.5))

    played = replayed(happened)

    assert 20 < sum(outcome.fate is Fate.CANCELLED for outcome in played.outcomes.values())
    real, again = figures(real_of(happened)), figures(played.outcomes)
    # Prompts of those who left were never counted, so joules of the others are near, and instants too.
    assert {key: row[:6] for key, row in real.items()} == {key: row[:6] for key, row in again.items()}
    assert played.guesses.outputs == sum(outcome.fate is Fate.CANCELLED for outcome in played.outcomes.values())
    assert 0.01 > abs(played.comparison.total_s.bias or 0.0)


def test_attempts_that_failed_are_stopped_when_they_failed_and_the_next_goes_where_it_went() -> None:
    outage = Outage(server_id="edge", from_s=5.0, to_s=12.0)
    happened = past(world=replace(EXACT, trouble=Trouble(outages=(outage,))))
    moved = [lived for lived in happened.lived if len(lived.tried) == 2]

    played = replay_as_recorded(happened)

    assert moved
    for lived in moved:
        outcome = played.outcomes[lived.request.request_id]
        assert (2, "cloud", Fate.COMPLETED) == (outcome.attempts, outcome.server_id, outcome.fate)
        assert lived.tried[1].dispatched_at_s == outcome.dispatched_at_s
    assert {True} == set(played.result["laws"].values())
    assert 0.01 > abs(played.comparison.total_s.bias or 0.0)


def test_a_free_replay_has_the_outages_that_probes_and_failures_tell_of() -> None:
    outage = Outage(server_id="edge", from_s=5.0, to_s=12.0)
    happened = past(world=replace(EXACT, trouble=Trouble(outages=(outage,))))

    played = replay_freely(happened)

    assert (played.comparison.same_fate or 0.0) >= 0.99
    assert (played.comparison.same_server or 0.0) >= 0.99
    failed = sum(server["failed"] for server in played.result["servers"].values())
    ended = [tried.ending for lived in happened.lived for tried in lived.tried]
    assert failed == sum(ending is not None and ending.kind is EndingKind.FAILED for ending in ended) > 0


@BOTH
def test_who_was_refused_is_refused_at_that_instant(replayed: Replayed) -> None:
    strict = altered(CHAT, requirement=Requirement(total_s=0.9), when_infeasible=WhenInfeasible.REFUSE)
    happened = past(
        services=(strict,), rate_per_s=20.0, policy="cs-ucb", load=replace(NOBODY_LEAVES, output_tokens=ALIKE)
    )

    played = replayed(happened)

    refused = [outcome for outcome in played.outcomes.values() if outcome.fate is Fate.REFUSED]
    assert refused
    assert figures(real_of(happened)) == figures(played.outcomes)


def test_who_was_stopped_for_lateness_is_stopped_again() -> None:
    hasty = altered(CHAT, requirement=Requirement(total_s=0.5), when_late=WhenLate.CANCEL)
    happened = past(services=(hasty,))

    recorded, free = replay_as_recorded(happened), replay_freely(happened)

    assert 1.0 == recorded.comparison.same_fate
    assert Fate.TIMED_OUT in {outcome.fate for outcome in free.outcomes.values()}
    # Nobody ever saw the end of these answers: the guess that they were as long as the others makes some of them fit.
    assert free.guesses.outputs == sum(outcome.fate is Fate.TIMED_OUT for outcome in recorded.outcomes.values())


@BOTH
def test_requests_that_a_journal_does_not_see_end_are_played_and_not_compared(replayed: Replayed) -> None:
    happened = past(rate_per_s=50.0)
    ended_at_s = happened.lived[-1].arrived_at_s
    for lived in happened.lived:
        if (lived.finished_at_s or 0.0) > ended_at_s:
            lived.outcome = lived.finished_at_s = None
            for tried in lived.tried:
                tried.ending = tried.ended_at_s = None
    cut = replace(happened, ended_at_s=ended_at_s)

    played = replayed(cut)

    assert played.guesses.unfinished == 200 - len(real_of(cut)) > 0
    assert 200 == len(played.outcomes)
    assert len(real_of(cut)) == played.comparison.requests


def test_another_policy_and_another_fleet_can_be_tried() -> None:
    happened = past(rate_per_s=10.0)
    faster = altered(SERVER, speed=altered(SERVER.speed, decode_token_s=0.005, weights_read_s=0.01))

    alone = replay_freely(happened, policy="cloud-only")
    quicker = replay_as_recorded(happened, servers=(faster, CLOUD))

    assert {"cloud"} == {outcome.server_id for outcome in alone.outcomes.values()}
    assert "cloud-only" == alone.result["policy"]
    assert (quicker.comparison.total_s.bias or 0.0) < -0.1


def test_recorded_decisions_need_the_servers_they_chose() -> None:
    with pytest.raises(ConfigError, match="went to edge, which this fleet does not have"):
        replay_as_recorded(past(), servers=(CLOUD,))


def test_settings_are_the_journals() -> None:
    happened = past(rate_per_s=40.0, policy="cs-ucb", scheduler=SchedulerSettings(max_held=3))

    played = replay_freely(happened)

    assert 0 < sum(outcome.refusal is Refusal.QUEUE_FULL for outcome in played.outcomes.values())
    assert 1.0 == played.comparison.same_fate
