"""What is read from the instants at which tokens arrive."""

from __future__ import annotations

import pytest

from perllm.domain.profile import Batching
from perllm.experiments.calibrate.again import conclude as conclude_again
from perllm.experiments.calibrate.beside import Curve, beside, conclude
from perllm.experiments.calibrate.heard import Heard
from perllm.experiments.calibrate.samples import FirstToken, LinkTimes
from perllm.experiments.calibrate.writing import Written, steady_step, under_way_at_once
from perllm.wire.reply import Usage

STEP_S = 0.010


def answer(*at_s: float, sent_at_s: float = 0.0, prompt_tokens: int = 10, per_event: int = 1) -> Heard:
    usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=per_event * len(at_s))
    arrivals = [(one_s, number + 1) for number, one_s in enumerate(at_s)]
    return Heard(sent_at_s=sent_at_s, payload_bytes=1, arrivals=arrivals, ended_at_s=at_s[-1], usage=usage)


def steps(start_s: float, count: int, step_s: float = STEP_S) -> list[float]:
    return [start_s + number * step_s for number in range(count)]


def test_a_step_is_taken_from_while_all_answers_were_under_way() -> None:
    # The first answer is alone and fast at the beginning, the second alone and fast at the end.
    first = answer(*steps(0.0, 20, 0.002), *steps(0.10, 40))
    second = answer(*steps(0.10, 40), *steps(0.51, 20, 0.002))

    step = steady_step([first, second], 10)

    assert step is not None
    assert step.seconds == pytest.approx(STEP_S)
    assert 2 == step.batch
    # Two prompts, and what was written by the middle of that: 40 and 20 tokens, one more for the first step left out.
    assert step.context_tokens == pytest.approx(10 + 10 + 40.5 + 21, abs=1.0)


def test_bursts_do_not_make_steps_look_short() -> None:
    arrivals = [(0.08 * burst, 8 * (burst + 1)) for burst in range(10)]
    heard = Heard(
        sent_at_s=0.0,
        payload_bytes=1,
        arrivals=arrivals,
        ended_at_s=0.72,
        usage=Usage(prompt_tokens=10, completion_tokens=80),
    )

    step = steady_step([heard], 10)

    assert step is not None
    assert step.seconds == pytest.approx(STEP_S)


def test_events_of_two_tokens_are_two_steps() -> None:
    step = steady_step([answer(*steps(0.0, 40, 0.020), per_event=2)], 10)

    assert step is not None
    assert step.seconds == pytest.approx(STEP_S)


def test_one_pause_does_not_count() -> None:
    step = steady_step([answer(*steps(0.0, 32), *steps(2.0, 32))], 10)

    assert step is not None
    assert step.seconds == pytest.approx(STEP_S)


def test_answers_that_never_were_under_way_together_tell_no_step() -> None:
    assert steady_step([answer(*steps(0.0, 20)), answer(*steps(1.0, 20))], 10) is None


def test_who_begins_after_somebody_has_ended_has_waited() -> None:
    assert 2 == under_way_at_once([answer(*steps(0.0, 9)), answer(*steps(0.02, 9)), answer(*steps(0.10, 9))])


def test_an_answer_that_came_all_at_once_was_under_way_too() -> None:
    assert 1 == under_way_at_once([answer(0.09, 0.09, 0.09)])


def test_of_several_looks_at_the_slots_the_one_that_saw_the_most_counts() -> None:
    written = Written()

    written.saw(4, 3)
    assert 3 == written.slots_seen
    written.saw(4, 4)
    assert written.slots_seen is None
    for at_once in (7, 8, 6):
        written.saw(16, at_once)
    written.saw(8, 7)
    assert 8 == written.slots_seen


CURVE = Curve(
    [
        FirstToken(prompt_tokens=tokens, cached_tokens=0, payload_bytes=1, seconds=0.005 + tokens * 1e-3)
        for tokens in (100, 500, 1000)
    ],
    0.005,
)


def read_at(*first_s: float) -> Heard:
    return answer(*first_s, sent_at_s=0.2, prompt_tokens=1000)


def test_an_answer_that_stands_still_for_the_whole_prompt_is_prefill_first() -> None:
    seen = beside(answer(*steps(0.0, 21), *steps(1.21, 5)), read_at(1.205))

    assert seen is not None
    manner = conclude([seen], CURVE)

    assert manner is not None
    assert (Batching.PREFILL_FIRST, None) == (manner.batching, manner.step_tokens)


def test_an_answer_that_goes_on_in_long_steps_is_chunked_by_the_first_of_them() -> None:
    # 500 tokens at once, then the same more slowly, for they attend to the first.
    seen = beside(answer(*steps(0.0, 21), 0.71, 1.30, *steps(1.31, 5)), read_at(1.30))

    assert seen is not None
    manner = conclude([seen], CURVE)

    assert manner is not None
    assert (Batching.CHUNKED, 512) == (manner.batching, manner.step_tokens)


def test_a_hiccup_before_is_no_piece() -> None:
    seen = beside(answer(*steps(0.0, 21), 0.23, 0.73, 1.23, *steps(1.24, 5)), read_at(1.23))

    assert seen is not None
    manner = conclude([seen], CURVE)

    assert manner is not None
    assert 512 == manner.step_tokens


def test_a_prompt_that_is_read_in_a_few_steps_tells_nothing() -> None:
    assert beside(answer(*steps(0.0, 21), *steps(0.24, 9)), read_at(0.24)) is None
    assert conclude([], CURVE) is None


def test_an_answer_that_ended_before_the_prompt_was_read_tells_nothing() -> None:
    assert beside(answer(*steps(0.0, 21)), read_at(1.2)) is None


def timed(seconds: float, cached_tokens: int = 0) -> FirstToken:
    return FirstToken(prompt_tokens=1000, cached_tokens=cached_tokens, payload_bytes=1, seconds=seconds)


@pytest.mark.parametrize(
    ("first_s", "again_s", "cached_tokens", "caches"),
    [
        (1.0, 0.12, 0, True),
        (1.0, 0.97, 0, False),
        (1.0, 0.97, 990, True),
        (0.15, 0.11, 0, None),
    ],
)
def test_a_prompt_that_comes_again_tells_of_a_cache(
    first_s: float, again_s: float, cached_tokens: int, caches: bool | None
) -> None:
    assert caches is conclude_again([(timed(first_s), timed(again_s, cached_tokens))], around_s=0.1)


def test_without_a_pair_nothing_is_said_of_a_cache() -> None:
    assert conclude_again([], around_s=0.1) is None


def test_behind_a_tunnel_the_round_trip_is_that_of_a_request() -> None:
    assert 0.0002 == LinkTimes(connect_s=0.0002, request_s=0.002).rtt_s
    assert 0.045 == LinkTimes(connect_s=0.0002, request_s=0.045).rtt_s
