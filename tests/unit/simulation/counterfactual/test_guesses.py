"""What is known of requests, and what is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from perllm.domain.action import Dispatch, Reservation
from perllm.domain.attempt import Ending, EndingKind, Usage
from perllm.domain.entry import Fleet
from perllm.domain.reason import Choice
from perllm.domain.request import Request, Requirement
from perllm.journal.header import Origin
from perllm.scheduling.settings import SchedulerSettings
from perllm.simulation.counterfactual.guesses import Guesses, jobs_of
from perllm.simulation.counterfactual.past import Lived, Past, Tried
from tests.unit.simulation.machines import CHAT, SERVER


def lived(number: int, *endings: Ending, seen: int = 0, left_at_s: float | None = None, **asked: Any) -> Lived:
    """Return a request with one attempt for each ending."""
    request = Request(
        request_id=f"r{number}", service="chat", model="m", requirement=Requirement(), payload_bytes=900,
        **{"prompt_bytes": 400, **asked},
    )  # fmt: skip
    dispatch = Dispatch(
        request_id=request.request_id, attempt_id="", attempt_number=1, server_id="edge", choice=Choice.FEASIBLE,
        reservation=Reservation(kv_tokens=0, bytes_per_s=0.0), predicted_total_s=0.0, predicted_energy_j=0.0,
        explanation=None,
    )  # fmt: skip
    tried = [
        Tried(dispatch=dispatch, dispatched_at_s=number, tokens=seen, ended_at_s=number + 1.0, ending=ending)
        for ending in endings
    ]
    return Lived(request=request, arrived_at_s=float(number), tried=tried, left_at_s=left_at_s)


def completed(prompt_tokens: int = 100, output_tokens: int = 20, cached_tokens: int = 0) -> Ending:
    usage = Usage(prompt_tokens=prompt_tokens, output_tokens=output_tokens, cached_tokens=cached_tokens)
    return Ending(kind=EndingKind.COMPLETED, usage=usage)


CANCELLED = Ending(kind=EndingKind.CANCELLED)


def truths(*all_lived: Lived, open_end: bool = False) -> tuple[list[Any], Guesses]:
    happened = Past(
        origin=Origin(policy="round-robin", seed=1, settings=SchedulerSettings()),
        fleet=Fleet(servers=(SERVER,), services=(CHAT,)),
        began_at_s=0.0,
        lived=all_lived,
        health=(),
        ended_at_s=99.0,
    )
    arrivals, guesses = jobs_of(happened, open_end=open_end)
    return [job.truth for _, job in arrivals], guesses


def test_lengths_are_those_the_engine_told() -> None:
    [truth], guesses = truths(lived(1, completed(prompt_tokens=77, output_tokens=9)))

    assert (77, 9, 900, None) == (truth.prompt_tokens, truth.output_tokens, truth.upload_bytes, truth.leaves_at_s)
    assert (0, 0, 0) == (guesses.outputs, guesses.prompts, guesses.cached)


def test_an_engine_that_tells_no_usage_is_counted_by_what_was_seen() -> None:
    [_, truth], guesses = truths(lived(1, completed()), lived(2, Ending(kind=EndingKind.COMPLETED), seen=6))

    assert (100, 6) == (truth.prompt_tokens, truth.output_tokens)
    assert (0, 1) == (guesses.outputs, guesses.prompts)


def test_an_answer_nobody_saw_the_end_of_is_as_long_as_those_that_were_longer_than_what_was_seen() -> None:
    others = [lived(number, completed(output_tokens=tokens)) for number, tokens in enumerate((10, 20, 30, 40, 50))]

    [*_, unseen, seen], guesses = truths(*others, lived(8, CANCELLED), lived(9, CANCELLED, seen=25))

    assert (30, 40) == (unseen.output_tokens, seen.output_tokens)
    assert 2 == guesses.outputs == guesses.prompts


def test_a_guess_is_longer_than_what_was_seen_and_no_longer_than_was_allowed() -> None:
    [_, longest, capped], _ = truths(
        lived(1, completed(output_tokens=20)), lived(2, CANCELLED, seen=25), lived(3, CANCELLED, max_output_tokens=12)
    )

    assert (26, 12) == (longest.output_tokens, capped.output_tokens)


def test_a_prompt_nobody_counted_has_the_tokens_that_its_bytes_had_in_others() -> None:
    [_, _, truth], _ = truths(
        lived(1, completed(prompt_tokens=100), prompt_bytes=300),
        lived(2, completed(prompt_tokens=50), prompt_bytes=200),
        lived(3, CANCELLED, prompt_bytes=1000),
    )

    assert 300 == truth.prompt_tokens


def test_without_any_count_a_token_has_four_bytes() -> None:
    [truth], _ = truths(lived(1, CANCELLED, prompt_bytes=400))

    assert (100, 1) == (truth.prompt_tokens, truth.output_tokens)


def test_with_open_ends_answers_that_were_not_finished_go_on_until_they_are_stopped() -> None:
    [done, stopped], _ = truths(lived(1, completed()), lived(2, CANCELLED, left_at_s=2.5), open_end=True)
    [_, leaving], _ = truths(lived(1, completed()), lived(2, CANCELLED, left_at_s=2.5))

    assert 20 == done.output_tokens
    assert (True, None) == (stopped.output_tokens > 10**6, stopped.leaves_at_s)
    assert 2.5 == leaving.leaves_at_s


def test_of_several_attempts_the_one_that_was_completed_tells_the_length() -> None:
    failed = Ending(kind=EndingKind.FAILED, output_tokens=3)

    [truth], guesses = truths(lived(1, failed, completed(output_tokens=8)))

    assert 8 == truth.output_tokens
    assert 0 == guesses.outputs


@pytest.mark.parametrize(("cached_tokens", "counted"), [(0, 0), (64, 1)])
def test_prompts_of_which_the_engine_knew_a_part_are_counted(cached_tokens: int, counted: int) -> None:
    _, guesses = truths(lived(1, completed(cached_tokens=cached_tokens)))

    assert counted == guesses.cached
