"""What endings teach."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.domain.request import Requirement
from perllm.scheduling.policies.cs_ucb import PRICES
from perllm.scheduling.scheduler import Scheduler
from perllm.scheduling.teaching import BOUND
from tests.unit.scheduling.builders import EDGE, completed, dispatch_of, failed, predicted, request, scheduler


def predicted_total_s(brain: Scheduler, request_id: str) -> float:
    """Return what the brain now expects of a fresh request."""
    return predicted(dispatch_of(brain.submit(request(request_id), 1000.0)))[0]


def test_a_slow_answer_makes_the_next_prediction_longer() -> None:
    brain = scheduler(EDGE)
    dispatch = dispatch_of(brain.submit(request(), 0.0))
    brain.close(dispatch.attempt_id, completed(), 4.0)

    assert predicted_total_s(brain, "next") > predicted(dispatch)[0]


@pytest.mark.parametrize("ending", [Ending(kind=EndingKind.CANCELLED), failed(retryable=False)])
def test_a_cancelled_or_failed_attempt_teaches_nothing(ending: Ending) -> None:
    brain = scheduler(EDGE)
    dispatch = dispatch_of(brain.submit(request(), 0.0))
    before = brain.snapshot()
    brain.close(dispatch.attempt_id, ending, 4.0)

    after = brain.snapshot()
    assert (before.servers, before.services) == (after.servers, after.services)
    assert {0.0} == {evidence.weight for name, arm in after.arms.items() if name != PRICES for evidence in arm.values()}


def test_a_timed_out_attempt_teaches_at_least_this_long() -> None:
    slow, quick = scheduler(EDGE), scheduler(EDGE)
    for brain, closed_at_s in ((slow, 30.0), (quick, 0.01)):
        dispatch = dispatch_of(brain.submit(request(), 0.0))
        brain.close(dispatch.attempt_id, Ending(kind=EndingKind.TIMED_OUT), closed_at_s)

    assert slow.snapshot().servers["edge"]["decode"].total > 0.0
    assert 0.0 == quick.snapshot().servers["edge"]["decode"].weight


def test_a_client_that_leaves_after_its_requirement_teaches_at_least_this_long() -> None:
    brain = scheduler(EDGE)
    dispatch = dispatch_of(brain.submit(request(requirement=Requirement(total_s=2.0)), 0.0))
    brain.cancel("r1", 20.0)
    brain.close(dispatch.attempt_id, Ending(kind=EndingKind.CANCELLED), 20.0)

    assert brain.snapshot().servers["edge"]["decode"].total > 0.0


def test_streams_teach_their_phases_apart() -> None:
    brain = scheduler(EDGE)
    dispatch = dispatch_of(brain.submit(request(stream=True), 0.0))
    brain.progress(dispatch.attempt_id, Progress(stage=Stage.FIRST_TOKEN, tokens=1), 10.0)
    brain.close(dispatch.attempt_id, completed(output_tokens=51), 10.5)

    learned = brain.snapshot().servers["edge"]
    assert learned["first_token"].total > 0.0
    assert pytest.approx(0.0, abs=1e-9) == learned["decode"].total


def test_phases_told_by_the_engine_split_a_plain_answer() -> None:
    brain = scheduler(EDGE)
    dispatch = dispatch_of(brain.submit(request(), 0.0))
    usage = Usage(prompt_tokens=100, output_tokens=50, prefill_s=9.0, decode_s=0.49)
    brain.close(dispatch.attempt_id, replace(completed(), usage=usage), 10.0)

    learned = brain.snapshot().servers["edge"]
    assert pytest.approx(BOUND) == learned["first_token"].total
    assert pytest.approx(0.0, abs=1e-9) == learned["decode"].total


def test_dearer_joules_raise_the_next_prediction() -> None:
    brain = scheduler(EDGE)
    dispatch = dispatch_of(brain.submit(request(), 0.0))
    brain.close(dispatch.attempt_id, completed(infer_j=500.0), 1.0)

    dearer = dispatch_of(brain.submit(request("next"), 2.0))
    assert predicted(dearer)[1] > 1.5 * predicted(dispatch)[1]
