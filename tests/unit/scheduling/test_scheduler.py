"""The port: what the brain answers to each event."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.domain.action import Cancel, CancelCause, Dispatch, Fate
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage
from perllm.domain.counts import Counts
from perllm.domain.energy import EnergyMethod
from perllm.domain.reason import Choice, Refusal, Violation
from perllm.domain.request import Requirement
from perllm.domain.server import Tier
from perllm.domain.service import WhenInfeasible, WhenLate
from perllm.domain.telemetry import Health
from perllm.errors import InvariantError
from tests.unit.scheduling.builders import (
    CHAT,
    CLOUD,
    EDGE,
    completed,
    dispatch_of,
    explanation_of,
    failed,
    outcome_of,
    predicted,
    refusal_of,
    request,
    scheduler,
    teach,
)


def test_a_request_goes_to_the_server_that_needs_the_least_energy() -> None:
    brain = scheduler()

    dispatch = dispatch_of(brain.submit(request(), 0.0))

    assert "edge" == dispatch.server_id
    assert Choice.FEASIBLE == dispatch.choice


def test_a_request_the_edge_cannot_finish_in_time_goes_to_the_cloud() -> None:
    brain = scheduler(policy="cs-ucb:dial=false")

    dispatch = dispatch_of(brain.submit(request(requirement=Requirement(total_s=0.5)), 0.0))

    assert "cloud" == dispatch.server_id
    assert [Violation.TOO_SLOW, None] == list(explanation_of(dispatch).violations)


def test_a_dispatch_explains_every_candidate() -> None:
    rows = explanation_of(dispatch_of(scheduler().submit(request(), 0.0))).rows()

    assert ["edge", "cloud"] == [row["server"] for row in rows]
    assert [True, False] == [row["chosen"] for row in rows]
    assert all(row["energy_j"] > 0.0 and row["score"] < 0.0 and row["violation"] is None for row in rows)


def test_a_completed_request_gives_everything_back() -> None:
    brain = scheduler()
    dispatch = dispatch_of(brain.submit(request(), 0.0))

    outcome = outcome_of(brain.close(dispatch.attempt_id, completed(), 1.0))

    assert (Fate.COMPLETED, True, 50) == (outcome.fate, outcome.in_time, outcome.output_tokens)
    assert Counts(submitted=1, completed=1) == brain.counts()
    assert {"edge": 0, "cloud": 0} == brain.outstanding()
    assert all(held.kv_tokens == 0 and held.bytes_per_s == 0.0 for held in brain.reservations().values())


def test_an_answer_after_the_requirement_is_a_miss() -> None:
    brain = scheduler()
    dispatch = dispatch_of(brain.submit(request(), 0.0))

    outcome = outcome_of(brain.close(dispatch.attempt_id, completed(), 5.1))

    assert (Fate.COMPLETED, False, True) == (outcome.fate, outcome.in_time, outcome.counted)


def test_a_full_fleet_holds_a_request_until_a_slot_is_free() -> None:
    brain = scheduler(EDGE)
    first = [dispatch_of(brain.submit(request(f"r{n}"), 0.0)) for n in range(2)]

    assert () == tuple(brain.submit(request("late"), 0.1))
    assert 1 == brain.counts().held

    actions = brain.close(first[0].attempt_id, completed(), 0.5)

    assert "late" == dispatch_of(actions).request_id
    assert 0 == brain.counts().held


def test_the_held_request_with_the_least_slack_goes_first() -> None:
    brain = scheduler(EDGE)
    first = [dispatch_of(brain.submit(request(f"r{n}"), 0.0)) for n in range(2)]
    brain.submit(request("relaxed", requirement=Requirement(total_s=60.0)), 0.1)
    brain.submit(request("urgent", requirement=Requirement(total_s=20.0)), 0.2)

    assert "urgent" == dispatch_of(brain.close(first[0].attempt_id, completed(), 0.5)).request_id
    assert "relaxed" == dispatch_of(brain.close(first[1].attempt_id, completed(), 0.6)).request_id


def test_a_request_without_hope_does_not_hold_up_the_others() -> None:
    brain = scheduler(EDGE)
    first = [dispatch_of(brain.submit(request(f"r{n}"), 0.0)) for n in range(2)]
    brain.submit(request("hopeless", requirement=Requirement(total_s=0.01)), 0.1)
    brain.submit(request("hopeful", requirement=Requirement(total_s=60.0)), 0.2)

    assert "hopeful" == dispatch_of(brain.close(first[0].attempt_id, completed(), 0.5)).request_id


def test_a_hopeless_request_is_served_least_late_or_refused_as_its_service_says() -> None:
    hopeless = request(requirement=Requirement(total_s=0.001))
    strict = replace(CHAT, when_infeasible=WhenInfeasible.REFUSE)

    served = dispatch_of(scheduler().submit(hopeless, 0.0))
    refusing = scheduler(services=[strict])
    teach(refusing)
    refused = refusing.submit(hopeless, 0.0)

    assert (Choice.LEAST_LATE, "cloud") == (served.choice, served.server_id)
    assert Refusal.CANNOT_MEET_REQUIREMENT == refusal_of(refused).reason
    assert (Fate.REFUSED, False, True) == _fate(refused)


def test_nothing_is_refused_on_a_description_alone() -> None:
    wrongly_described = replace(CHAT, when_infeasible=WhenInfeasible.REFUSE, output_tokens=10_000.0)
    brain = scheduler(EDGE, services=[wrongly_described], policy="cs-ucb:company=false")
    choices = []
    for number in range(30):
        dispatch = dispatch_of(brain.submit(request(f"r{number}", max_output_tokens=None), float(number)))
        brain.close(dispatch.attempt_id, completed(output_tokens=20), number + 0.3)
        choices.append(dispatch.choice)

    assert (Choice.LEAST_LATE, Choice.FEASIBLE) == (choices[0], choices[-1])


def test_among_those_past_their_slack_the_freshest_goes_first() -> None:
    brain = scheduler(EDGE)
    first = [dispatch_of(brain.submit(request(f"r{n}"), 0.0)) for n in range(2)]
    brain.submit(request("older", requirement=Requirement(total_s=0.3)), 0.1)
    brain.submit(request("fresher", requirement=Requirement(total_s=0.3)), 0.2)

    assert "fresher" == dispatch_of(brain.close(first[0].attempt_id, completed(), 0.5)).request_id


def test_a_held_request_whose_patience_ends_is_refused_where_its_service_says_so() -> None:
    strict = replace(CHAT, when_infeasible=WhenInfeasible.REFUSE)
    brain = scheduler(EDGE, services=[strict])
    teach(brain)
    for n in range(2):
        brain.submit(request(f"r{n}"), 0.0)
    brain.submit(request("late", requirement=Requirement(total_s=20.0)), 0.0)
    assert 1 == brain.counts().held

    wakes = 0
    while brain.counts().held:
        wakes += 1
        assert wakes < 10
        assert 20.0 > (brain.wake_at_s or 20.0)
        actions = brain.wake(brain.wake_at_s or 0.0)

    assert Refusal.CANNOT_MEET_REQUIREMENT == refusal_of(actions).reason


def test_a_failure_before_the_first_byte_is_tried_elsewhere() -> None:
    brain = scheduler()
    first = dispatch_of(brain.submit(request(), 0.0))

    second = dispatch_of(brain.close(first.attempt_id, failed(), 0.1))

    assert ("cloud", 2) == (second.server_id, second.attempt_number)
    assert Violation.ALREADY_TRIED == explanation_of(second).violations[0]
    outcome = outcome_of(brain.close(second.attempt_id, completed(), 1.0))
    assert (Fate.COMPLETED, 2, "cloud") == (outcome.fate, outcome.attempts, outcome.server_id)


def test_a_failure_after_the_first_byte_is_final() -> None:
    brain = scheduler()
    dispatch = dispatch_of(brain.submit(request(), 0.0))

    actions = brain.close(dispatch.attempt_id, failed(retryable=False), 0.1)

    assert Fate.FAILED == outcome_of(actions).fate
    assert 1 == len(actions)


def test_a_request_that_failed_everywhere_is_refused_and_counted_as_failed() -> None:
    brain = scheduler()
    first = dispatch_of(brain.submit(request(), 0.0))
    second = dispatch_of(brain.close(first.attempt_id, failed(), 0.1))

    actions = brain.close(second.attempt_id, failed(), 0.2)

    assert Refusal.ATTEMPTS_EXHAUSTED == refusal_of(actions).reason
    assert Counts(submitted=1, failed=1) == brain.counts()


def test_a_server_that_failed_rests_and_is_used_again_afterwards() -> None:
    brain = scheduler(EDGE, cooldown_s=1.0)
    first = dispatch_of(brain.submit(request("r1"), 0.0))
    brain.close(first.attempt_id, failed(), 0.1)

    assert () == tuple(brain.submit(request("r2"), 0.5))
    assert 1.1 == brain.wake_at_s

    assert "r2" == dispatch_of(brain.wake(1.1)).request_id


def test_a_dead_server_is_left_out_until_its_probe_answers() -> None:
    brain = scheduler(EDGE)
    brain.observe(Health(server_id="edge", healthy=False, measured_at_s=0.0), 0.0)
    refused = brain.submit(request("r1"), 0.1)
    brain.observe(Health(server_id="edge", healthy=True, measured_at_s=5.0), 5.0)

    assert Refusal.NO_HEALTHY_SERVER == refusal_of(refused).reason
    assert "edge" == dispatch_of(brain.submit(request("r2"), 5.1)).server_id


def test_one_lost_probe_is_no_dead_server_but_two_are() -> None:
    brain = scheduler(EDGE)
    for at_s, healthy in ((0.0, True), (5.0, False)):
        brain.observe(Health(server_id="edge", healthy=healthy, measured_at_s=at_s), at_s)
    served = dispatch_of(brain.submit(request("r1"), 5.1))
    brain.observe(Health(server_id="edge", healthy=False, measured_at_s=10.0), 10.0)

    assert "edge" == served.server_id
    assert Refusal.NO_HEALTHY_SERVER == refusal_of(brain.submit(request("r2"), 10.1)).reason


def test_a_held_request_is_cancelled_at_once() -> None:
    brain = scheduler(EDGE)
    for n in range(2):
        brain.submit(request(f"r{n}"), 0.0)
    brain.submit(request("late"), 0.0)

    outcome = outcome_of(brain.cancel("late", 0.5))

    assert (Fate.CANCELLED, False) == (outcome.fate, outcome.counted)
    assert Counts(submitted=3, in_flight=2, cancelled=1) == brain.counts()


def test_a_client_that_leaves_stops_its_attempt_and_counts_only_past_its_requirement() -> None:
    for left_at_s, counted in ((1.0, False), (6.0, True)):
        brain = scheduler()
        dispatch = dispatch_of(brain.submit(request(), 0.0))

        (cancel,) = brain.cancel("r1", left_at_s)
        assert isinstance(cancel, Cancel)
        assert (dispatch.attempt_id, CancelCause.CLIENT_LEFT) == (cancel.attempt_id, cancel.cause)
        assert () == tuple(brain.cancel("r1", left_at_s))
        outcome = outcome_of(brain.close(dispatch.attempt_id, Ending(kind=EndingKind.CANCELLED), left_at_s))

        assert (Fate.CANCELLED, counted) == (outcome.fate, outcome.counted)


def test_a_late_request_is_stopped_where_its_service_says_so() -> None:
    brain = scheduler(services=[replace(CHAT, when_late=WhenLate.CANCEL)])
    dispatch = dispatch_of(brain.submit(request(), 0.0))

    assert 5.0 == brain.wake_at_s
    (cancel,) = brain.wake(5.0)
    assert isinstance(cancel, Cancel)
    assert CancelCause.LATE == cancel.cause
    outcome = outcome_of(brain.close(dispatch.attempt_id, Ending(kind=EndingKind.TIMED_OUT), 5.0))
    assert (Fate.TIMED_OUT, False, True) == (outcome.fate, outcome.in_time, outcome.counted)


def test_a_request_is_stopped_after_its_timeout_whatever_its_requirement() -> None:
    brain = scheduler(services=[replace(CHAT, timeout_s=30.0)])
    brain.submit(request(requirement=Requirement()), 0.0)

    assert 30.0 == brain.wake_at_s
    (cancel,) = brain.wake(30.0)

    assert isinstance(cancel, Cancel)
    assert CancelCause.TIMED_OUT == cancel.cause


def test_a_pinned_service_never_leaves_its_tier() -> None:
    private = replace(CHAT, tiers=frozenset({Tier.EDGE}))
    brain = scheduler(services=[private])
    first = dispatch_of(brain.submit(request(requirement=Requirement(total_s=0.5)), 0.0))

    refused = brain.close(first.attempt_id, failed(), 0.1)

    assert "edge" == first.server_id
    assert Violation.NOT_ALLOWED == explanation_of(first).violations[1]
    assert Refusal.ATTEMPTS_EXHAUSTED == refusal_of(refused).reason


def test_a_model_that_nobody_serves_is_refused() -> None:
    assert Refusal.MODEL_NOT_SERVED == refusal_of(scheduler().submit(request(model="other"), 0.0)).reason


def test_a_prompt_longer_than_every_context_is_refused() -> None:
    huge = request(prompt_bytes=10_000_000)

    assert Refusal.CONTEXT_TOO_LONG == refusal_of(scheduler().submit(huge, 0.0)).reason


def test_the_queue_is_bounded() -> None:
    brain = scheduler(EDGE, max_held=1)
    for n in range(3):
        brain.submit(request(f"r{n}"), 0.0)

    assert Refusal.QUEUE_FULL == refusal_of(brain.submit(request("r3"), 0.0)).reason


def test_a_caller_that_cannot_wait_is_answered_at_once() -> None:
    brain = scheduler(EDGE)
    for n in range(2):
        brain.submit(request(f"r{n}"), 0.0)

    assert Refusal.NO_ROOM == refusal_of(brain.submit(request("r2", hold_until_s=0.1), 0.1)).reason


def test_a_policy_that_pushes_fills_the_engines_own_queues() -> None:
    brain = scheduler(EDGE, policy="round-robin")

    assert all(dispatch_of(brain.submit(request(f"r{n}"), 0.0)) for n in range(5))
    assert 5 == brain.outstanding()["edge"]


def test_the_first_token_is_part_of_a_streams_requirement() -> None:
    brain = scheduler(EDGE)
    wanted = request(stream=True, requirement=Requirement(total_s=5.0, first_token_s=0.2))
    dispatch = dispatch_of(brain.submit(wanted, 0.0))

    brain.progress(dispatch.attempt_id, Progress(stage=Stage.FIRST_TOKEN, tokens=1), 0.3)
    outcome = outcome_of(brain.close(dispatch.attempt_id, completed(), 1.0))

    assert (0.3, False) == (outcome.first_token_at_s, outcome.in_time)


def test_a_new_fleet_keeps_what_was_learned_and_serves_the_held() -> None:
    brain = scheduler(EDGE)
    attempts = [dispatch_of(brain.submit(request(f"r{n}"), 0.0)) for n in range(2)]
    brain.submit(request("late"), 0.1)

    moved = dispatch_of(brain.configure([EDGE, CLOUD], [CHAT], 0.2))

    assert ("late", "cloud") == (moved.request_id, moved.server_id)
    assert 2 == brain.outstanding()["edge"]
    for attempt in attempts:
        brain.close(attempt.attempt_id, completed(), 1.0)
    assert brain.snapshot().servers["edge"]["decode"].weight > 0.0


def test_a_server_that_left_the_fleet_still_ends_its_requests() -> None:
    brain = scheduler()
    dispatch = dispatch_of(brain.submit(request(), 0.0))
    brain.configure([CLOUD], [CHAT], 0.1)

    assert Fate.COMPLETED == outcome_of(brain.close(dispatch.attempt_id, completed(), 1.0)).fate
    assert {"cloud": 0} == brain.outstanding()


def test_a_snapshot_restores_what_was_learned() -> None:
    brain, heir = scheduler(EDGE), scheduler(EDGE)
    dispatch = dispatch_of(brain.submit(request(), 0.0))
    brain.close(dispatch.attempt_id, completed(infer_j=40.0), 3.0)

    heir.absorb(brain.snapshot())

    assert brain.snapshot() == heir.snapshot()
    slow, fresh = heir.submit(request("x"), 4.0), scheduler(EDGE).submit(request("x"), 4.0)
    assert predicted(dispatch_of(slow)) > predicted(dispatch_of(fresh))


def test_an_event_that_cannot_be_is_our_bug() -> None:
    brain = scheduler()
    dispatch = dispatch_of(brain.submit(request(), 0.0))
    brain.close(dispatch.attempt_id, completed(), 1.0)
    brain.submit(request("r2"), 1.0)

    with pytest.raises(InvariantError, match="closed twice"):
        brain.close(dispatch.attempt_id, completed(), 2.0)
    with pytest.raises(InvariantError, match="not open"):
        brain.progress(dispatch.attempt_id, Progress(stage=Stage.FIRST_TOKEN), 2.0)
    with pytest.raises(InvariantError, match="submitted twice"):
        brain.submit(request("r2"), 2.0)


def _fate(actions: object) -> tuple[Fate, bool, bool]:
    outcome = outcome_of(actions)  # type: ignore[arg-type]
    return outcome.fate, outcome.in_time, outcome.counted


def test_a_service_that_became_private_stays_at_the_edge_with_what_it_holds() -> None:
    brain = scheduler()
    for number in range(10):
        brain.submit(request(f"r{number}"), 0.0)
    brain.submit(request("held"), 0.1)
    private = replace(CHAT, tiers=frozenset({Tier.EDGE}))
    brain.configure([EDGE, CLOUD], [private], 0.2)

    new = brain.submit(request("new"), 0.3)

    assert all(not isinstance(action, Dispatch) or action.server_id == "edge" for action in new)
    assert 2 == brain.counts().held


def test_a_server_that_was_slow_once_is_tried_again() -> None:
    brain = scheduler(policy="cs-ucb:company=false:dial=false")
    for number in range(30):
        for action in brain.submit(request(f"slow-{number}"), float(number)):
            assert isinstance(action, Dispatch)
            took_s = 20.0 if action.server_id == "edge" else 0.1
            brain.close(action.attempt_id, completed(), number + took_s)

    soon = dispatch_of(brain.submit(request("soon"), 60.0))
    brain.close(soon.attempt_id, completed(), 60.1)
    forgiven = dispatch_of(brain.submit(request("much later"), 7200.0)).server_id

    assert ("cloud", "edge") == (soon.server_id, forgiven)


def test_one_request_that_has_failed_there_does_not_close_a_server_to_others() -> None:
    small_cloud = replace(CLOUD, slots=1)
    brain = scheduler(EDGE, small_cloud)
    open_attempts = [dispatch_of(brain.submit(request(f"r{number}"), 0.0)) for number in range(3)]
    brain.submit(request("waiting"), 0.1)
    at_edge = [attempt for attempt in open_attempts if attempt.server_id == "edge"]

    brain.close(at_edge[0].attempt_id, failed(), 0.2)
    actions = list(brain.wake(1.2))

    assert "waiting" in [action.request_id for action in actions if isinstance(action, Dispatch)]


def test_a_crash_counts_once_however_many_attempts_it_takes_along() -> None:
    brain = scheduler(replace(EDGE, slots=8), cooldown_s=1.0)
    attempts = [dispatch_of(brain.submit(request(f"r{number}"), 0.0)) for number in range(8)]
    for attempt in attempts:
        brain.close(attempt.attempt_id, failed(retryable=False), 0.1)

    assert () == tuple(brain.submit(request("next"), 0.2))
    assert 1.1 == brain.wake_at_s


def test_a_server_may_fail_thousands_of_times() -> None:
    brain = scheduler(EDGE, cooldown_s=1.0, cooldown_limit_s=1.0)
    for number in range(1500):
        dispatch = dispatch_of(brain.submit(request(f"r{number}"), number * 10.0))
        brain.close(dispatch.attempt_id, failed(retryable=False), number * 10.0 + 1.0)

    assert 1500 == brain.counts().failed


def test_a_failure_that_races_with_a_timeout_is_not_tried_again() -> None:
    brain = scheduler(services=[replace(CHAT, timeout_s=3.0)])
    dispatch = dispatch_of(brain.submit(request(), 0.0))
    brain.wake(3.0)

    assert Fate.TIMED_OUT == outcome_of(brain.close(dispatch.attempt_id, failed(), 3.0)).fate


def test_a_server_that_comes_back_still_has_its_open_attempts() -> None:
    brain = scheduler(EDGE)
    for number in range(2):
        brain.submit(request(f"r{number}"), 0.0)
    brain.configure([CLOUD], [CHAT], 0.1)
    brain.configure([EDGE], [CHAT], 0.2)

    assert {"edge": 2} == brain.outstanding()
    assert () == tuple(brain.submit(request("r2"), 0.3))


def test_of_a_mixture_of_joules_the_least_certain_is_told() -> None:
    brain = scheduler()
    first = dispatch_of(brain.submit(request(), 0.0))
    second = dispatch_of(brain.close(first.attempt_id, failed(infer_j=50.0), 0.1))

    measured = completed(infer_j=10.0, energy_method=EnergyMethod.MEASURED)
    outcome = outcome_of(brain.close(second.attempt_id, measured, 1.0))

    assert (60.0, EnergyMethod.DECLARED) == (outcome.energy.infer_j, outcome.energy_method)


def test_a_blind_policy_decides_alike_with_and_without_explanations() -> None:
    said = []
    for explain in (True, False):
        brain = scheduler(EDGE, CLOUD, policy="round-robin", explain=explain)
        dispatches = [dispatch_of(brain.submit(request(f"r{number}"), number / 10)) for number in range(8)]
        again = dispatch_of(brain.close(dispatches[0].attempt_id, failed(), 1.0))
        said.append([(sent.request_id, sent.server_id) for sent in (*dispatches, again)])
        assert explain is (dispatches[0].explanation is not None)

    assert said[0] == said[1]


def test_a_server_that_must_wake_first_is_expected_to_take_that_much_longer() -> None:
    brain = scheduler(EDGE)
    brain.observe(Health(server_id="edge", healthy=True, measured_at_s=0.0, ready_in_s=20.0), 0.0)
    asleep = dispatch_of(brain.submit(request("first", requirement=Requirement()), 0.0))

    brain.progress(asleep.attempt_id, Progress(stage=Stage.FIRST_TOKEN, tokens=1), 20.5)
    awake = dispatch_of(brain.submit(request("next", requirement=Requirement()), 20.6))

    assert predicted(asleep)[0] > 20.0
    assert predicted(awake)[0] < 10.0


def test_waking_teaches_nothing_of_how_fast_a_server_is() -> None:
    brain, other = scheduler(EDGE), scheduler(EDGE)
    brain.observe(Health(server_id="edge", healthy=True, measured_at_s=0.0, ready_in_s=20.0), 0.0)
    for told, wakes_s in ((brain, 20.0), (other, 0.0)):
        dispatch = dispatch_of(told.submit(request("first", stream=True, requirement=Requirement()), 0.0))
        told.progress(dispatch.attempt_id, Progress(stage=Stage.FIRST_TOKEN, tokens=1), wakes_s + 0.4)
        told.close(dispatch.attempt_id, completed(), wakes_s + 2.0)

    woken, never = (dispatch_of(told.submit(request("next"), 30.0)) for told in (brain, other))
    assert predicted(never)[0] == pytest.approx(predicted(woken)[0], rel=0.1)


def test_a_request_waits_for_a_full_server_that_would_be_in_time_rather_than_go_where_it_would_not() -> None:
    slow = replace(EDGE, server_id="slow", speed=replace(EDGE.speed, decode_token_s=1.0, weights_read_s=1.0))
    one = replace(EDGE, slots=1)
    brain = scheduler(slow, one)
    urgent = Requirement(total_s=3.0)
    first = dispatch_of(brain.submit(request("first", requirement=urgent), 0.0))

    assert () == tuple(brain.submit(request("second", requirement=urgent), 0.0))
    second = dispatch_of(brain.close(first.attempt_id, completed(), 0.1))

    assert ("edge", "edge") == (first.server_id, second.server_id)
