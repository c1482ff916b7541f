"""The engine model against times and joules worked out by hand."""

from __future__ import annotations

from math import inf

import pytest
from msgspec.structs import replace

from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.domain.energy import EnergyMethod
from perllm.errors import InvariantError
from perllm.simulation.engine import Engine
from perllm.simulation.trouble import Outage
from tests.unit.simulation.machines import AT_HAND, SERVER, endings, exactly, instants, job, reports


def test_a_request_alone_takes_the_sum_of_its_parts() -> None:
    engine = Engine(SERVER)
    engine.arrive("a", job(prompt_tokens=100, output_tokens=11), 2.0)

    known = reports(engine)

    # Up 0.011, overhead 0.005, prompt 0.101: 0.117. Ten steps of 0.021. Each event 0.0105 back.
    assert [("a", exactly(2.1275)), ("a", exactly(2.3375))] == [(report.attempt_id, report.at_s) for report in known]
    assert [
        Progress(stage=Stage.FIRST_TOKEN, tokens=1),
        Ending(
            kind=EndingKind.COMPLETED,
            usage=Usage(prompt_tokens=100, output_tokens=11),
            output_tokens=11,
            transmit_j=exactly((1000 + 11 * 250) * 1e-6),
            # 40 W while its prompt is read, 20 W while it decodes alone.
            infer_j=exactly(40 * 0.101 + 20 * 0.21),
            energy_method=EnergyMethod.MODELLED,
        ),
    ] == [report.event for report in known]
    assert exactly(40 * 0.101 + 20 * 0.21) == engine.infer_j


def test_a_plain_answer_comes_whole() -> None:
    engine = Engine(SERVER)
    engine.arrive("a", job(output_tokens=11, stream=False), 0.0)

    known = reports(engine)

    # 300 bytes and 5 for each token come back: 0.01 + 355 / 500,000.
    assert [exactly(0.117 + 0.21 + 0.01071)] == [report.at_s for report in known]
    assert exactly((1000 + 355) * 1e-6) == endings(known)["a"].transmit_j


def test_factors_stretch_the_engine_and_the_link() -> None:
    engine = Engine(SERVER)
    engine.arrive("a", job(output_tokens=11, service_factor=2.0, link_factor=3.0), 0.0)

    known = reports(engine)

    assert exactly(3 * 0.011 + 2 * (0.005 + 0.101 + 0.21) + 3 * 0.0105) == known[-1].at_s


def test_the_first_token_may_be_the_last() -> None:
    engine = Engine(SERVER)
    engine.arrive("a", job(output_tokens=1), 0.0)

    known = reports(engine)

    assert [exactly(0.1275), exactly(0.1275)] == [report.at_s for report in known]
    assert exactly(40 * 0.101) == engine.infer_j


def test_a_prompt_is_read_between_two_steps_and_stalls_those_who_decode() -> None:
    engine = Engine(AT_HAND)
    engine.arrive("a", job(prompt_tokens=100, output_tokens=11), 0.0)
    engine.arrive("b", job(prompt_tokens=50, output_tokens=6), 0.150)

    known = reports(engine)

    # a decodes from 0.101; its third step ends at 0.164, and then b's prompt takes 0.051.
    assert {"a": exactly(0.101), "b": exactly(0.215)} == instants(known, Progress)
    # Together they decode at 0.021 a step: b needs 5 steps, then a, which had 4 of its 11 tokens, needs 2 more.
    assert {"a": exactly(0.215 + 7 * 0.021), "b": exactly(0.215 + 5 * 0.021)} == instants(known, Ending)


def test_steps_that_several_decode_in_take_more_where_a_lone_sequence_is_treated_apart() -> None:
    speed = replace(AT_HAND.speed, batching_overhead_s=0.004)
    engine = Engine(replace(AT_HAND, speed=speed))
    engine.arrive("a", job(prompt_tokens=100, output_tokens=11), 0.0)
    engine.arrive("b", job(prompt_tokens=50, output_tokens=6), 0.150)

    # Alone as ever; five steps together, each 0.004 longer; then alone again.
    assert {"a": exactly(0.215 + 7 * 0.021 + 5 * 0.004), "b": exactly(0.215 + 5 * 0.025)} == instants(
        reports(engine), Ending
    )


def test_decoding_watts_are_shared_equally_and_reading_watts_are_not() -> None:
    engine = Engine(AT_HAND)
    engine.arrive("a", job(prompt_tokens=100, output_tokens=11), 0.0)
    engine.arrive("b", job(prompt_tokens=50, output_tokens=6), 0.150)

    ended = endings(reports(engine))

    together_j = 30 * 5 * 0.021
    assert exactly(40 * 0.101 + 20 * 3 * 0.021 + together_j / 2 + 20 * 2 * 0.021) == ended["a"].infer_j
    assert exactly(40 * 0.051 + together_j / 2) == ended["b"].infer_j


def test_a_step_takes_as_long_as_its_batch_and_its_mean_factor_say() -> None:
    engine = Engine(AT_HAND)
    for name, factor in (("a", 1.0), ("b", 1.0), ("c", 1.6)):
        engine.arrive(name, job(prompt_tokens=99, output_tokens=2, service_factor=factor), 0.0)

    known = reports(engine)

    # One prompt of 0.1, then two together, 0.199 times 1.3; then one step of three: 0.031 times 1.2.
    both_at_s = exactly(0.1 + 0.199 * 1.3)
    assert {"a": exactly(0.1), "b": both_at_s, "c": both_at_s} == instants(known, Progress)
    assert dict.fromkeys("abc", exactly(0.3587 + 0.031 * 1.2)) == instants(known, Ending)


def test_more_requests_than_slots_wait_in_the_order_in_which_they_came() -> None:
    engine = Engine(replace(AT_HAND, slots=1))
    for number, name in enumerate("abc"):
        engine.arrive(name, job(prompt_tokens=99, output_tokens=11), number / 1000)

    known = reports(engine)

    assert {"a": exactly(0.31), "b": exactly(0.62), "c": exactly(0.93)} == instants(known, Ending)
    assert {"a": exactly(0.1), "b": exactly(0.41), "c": exactly(0.72)} == instants(known, Progress)


def test_a_stream_tells_every_second_how_far_it_is() -> None:
    engine = Engine(SERVER)
    engine.arrive("a", job(prompt_tokens=100, output_tokens=111), 0.0)

    known = reports(engine)

    # 110 steps of 0.021 from the first token on: 47 of them in the first second, 95 in two.
    assert [
        (exactly(0.1275), Progress(stage=Stage.FIRST_TOKEN, tokens=1)),
        (exactly(1.1275), Progress(stage=Stage.TOKENS, tokens=48)),
        (exactly(2.1275), Progress(stage=Stage.TOKENS, tokens=96)),
    ] == [(report.at_s, report.event) for report in known[:-1]]
    assert exactly(0.1275 + 2.31) == known[-1].at_s


def test_a_stalled_stream_tells_nothing() -> None:
    engine = Engine(AT_HAND)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=4), 0.0)
    engine.arrive("b", job(prompt_tokens=2999, output_tokens=1, stream=False), 0.001)

    known = reports(engine)

    assert [Stage.FIRST_TOKEN] == [report.event.stage for report in known if isinstance(report.event, Progress)]
    assert {"b": exactly(3.1), "a": exactly(3.163)} == instants(known, Ending)


def test_an_abort_while_decoding_lets_the_others_go_on_after_the_step() -> None:
    engine = Engine(AT_HAND)
    for name in "abc":
        engine.arrive(name, job(prompt_tokens=99, output_tokens=11), 0.0)
    reports(engine, until_s=0.35)

    # One prompt was read in 0.1 and two together in 0.199. All write from 0.299 on at 0.031 a step; the second is
    # under way.
    ending = engine.abort("b", EndingKind.CANCELLED, 0.35)
    ended = instants(reports(engine), Ending)

    assert exactly(40 * 0.199 / 2 + 40 * 0.051 / 3) == ending.infer_j
    # The step ends at 0.361, drawing what it drew; the remaining eight are of two sequences.
    assert dict.fromkeys("ac", exactly(0.361 + 8 * 0.021)) == ended
    assert exactly(40 * 0.299 + 40 * 0.062 + 30 * 8 * 0.021) == engine.infer_j


def test_an_abort_counts_what_happened_before_it_even_if_nobody_had_looked() -> None:
    engine = Engine(AT_HAND)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=11), 0.0)

    ending = engine.abort("a", EndingKind.CANCELLED, 0.15)

    assert exactly(40 * 0.1 + 20 * 0.05) == ending.infer_j


def test_an_abort_of_the_last_sequence_leaves_the_engine_at_rest() -> None:
    engine = Engine(AT_HAND)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=11, stream=False), 0.0)
    reports(engine, until_s=0.15)

    ending = engine.abort("a", EndingKind.TIMED_OUT, 0.15)

    assert (EndingKind.TIMED_OUT, exactly(40 * 0.1 + 20 * 0.05)) == (ending.kind, ending.infer_j)
    assert [] == reports(engine)
    assert ending.infer_j == engine.infer_j
    assert 0 == engine.open_attempts


def test_an_abort_while_a_prompt_is_read_lets_the_next_one_in() -> None:
    engine = Engine(AT_HAND)
    engine.arrive("a", job(prompt_tokens=999, output_tokens=5), 0.0)
    engine.arrive("b", job(prompt_tokens=99, output_tokens=2), 0.0)
    reports(engine, until_s=0.25)

    ending = engine.abort("a", EndingKind.CANCELLED, 0.25)

    assert exactly(40 * 0.25) == ending.infer_j
    assert {"b": exactly(0.371)} == instants(reports(engine), Ending)


def test_an_abort_gives_its_slot_to_who_waits_once_the_step_is_over() -> None:
    engine = Engine(replace(AT_HAND, slots=2))
    for name in "abc":
        engine.arrive(name, job(prompt_tokens=99, output_tokens=11), 0.0)
    reports(engine, until_s=0.25)

    engine.abort("a", EndingKind.CANCELLED, 0.25)
    known = reports(engine)

    # b decodes from 0.2 in steps of 0.021: the third ends at 0.263, then c's prompt is read.
    assert exactly(0.363) == instants(known, Progress)["c"]


def test_an_abort_on_the_way_there_costs_the_upload_alone() -> None:
    engine = Engine(SERVER)
    engine.arrive("a", job(), 0.0)

    ending = engine.abort("a", EndingKind.CANCELLED, 0.01)

    assert (0.0, 1000 * 1e-6, 0) == (ending.infer_j, ending.transmit_j, ending.output_tokens)
    assert [] == reports(engine)


def test_an_abort_on_the_way_back_takes_the_answer_away() -> None:
    engine = Engine(SERVER)
    engine.arrive("a", job(output_tokens=11), 0.0)
    reports(engine, until_s=0.33)

    ending = engine.abort("a", EndingKind.CANCELLED, 0.33)

    # Of eleven tokens the first has been seen.
    assert (exactly(40 * 0.101 + 20 * 0.21), 1) == (ending.infer_j, ending.output_tokens)
    assert [] == reports(engine)


def test_on_the_way_back_all_but_the_last_token_may_have_come() -> None:
    engine = Engine(SERVER, report_every_s=inf)
    engine.arrive("a", job(output_tokens=11), 0.0)
    reports(engine, until_s=0.337)

    # Written by 0.327, come by 0.3375.
    assert 10 == engine.abort("a", EndingKind.CANCELLED, 0.3374).output_tokens


def test_what_is_sent_to_a_server_that_is_out_fails_after_its_way_there() -> None:
    engine = Engine(SERVER, outages=[Outage(server_id="edge", from_s=1.0, to_s=2.0)])
    engine.arrive("a", job(), 1.5)

    known = reports(engine)

    assert {"a": exactly(1.5265)} == instants(known, Ending)
    ending = endings(known)["a"]
    assert (EndingKind.FAILED, True, 0.0) == (ending.kind, ending.retryable, ending.infer_j)


def test_an_outage_loses_all_that_is_inside() -> None:
    engine = Engine(AT_HAND, outages=[Outage(server_id="edge", from_s=0.25, to_s=2.0)])
    engine.arrive("decoding", job(prompt_tokens=99, output_tokens=90), 0.0)
    engine.arrive("reading", job(prompt_tokens=199, output_tokens=90), 0.09)
    engine.arrive("waiting", job(prompt_tokens=99, output_tokens=90), 0.1)
    engine.arrive("later", job(prompt_tokens=99, output_tokens=1), 2.0)

    known = reports(engine)
    ended = endings(known)

    assert {"decoding": 0.25, "reading": 0.25, "waiting": 0.25, "later": exactly(2.1)} == instants(known, Ending)
    assert {"decoding": False, "reading": True, "waiting": True, "later": False} == {
        name: ending.retryable for name, ending in ended.items()
    }
    assert (exactly(4.0), exactly(40 * 0.15), 0.0) == tuple(
        ended[name].infer_j for name in ("decoding", "reading", "waiting")
    )


def test_a_server_is_healthy_from_the_end_of_its_outage_on() -> None:
    engine = Engine(SERVER, outages=[Outage(server_id="edge", from_s=1.0, to_s=2.0)])

    assert [True, False, False, True] == [engine.healthy(at_s) for at_s in (0.9, 1.0, 1.9, 2.0)]


def test_looking_late_changes_no_instant() -> None:
    prompt, late = Engine(SERVER), Engine(SERVER)
    for engine in (prompt, late):
        engine.arrive("a", job(output_tokens=111), 0.0)
        engine.arrive("b", job(output_tokens=50, stream=False), 0.3)

    seen_late = []
    while late.next_at_s <= 100.0:
        seen_late.append(late.advance(100.0))

    assert reports(prompt) == [report for report in seen_late if report is not None]


def test_an_attempt_is_sent_and_ended_once() -> None:
    engine = Engine(SERVER)
    engine.arrive("a", job(), 0.0)

    with pytest.raises(InvariantError):
        engine.arrive("a", job(), 0.1)
    reports(engine)
    with pytest.raises(InvariantError):
        engine.abort("a", EndingKind.CANCELLED, 9.0)


def test_what_a_broken_stream_has_sent_is_counted_though_nobody_was_told() -> None:
    outage = Outage(server_id="edge", from_s=0.25, to_s=2.0)
    engine = Engine(AT_HAND, outages=[outage], report_every_s=inf)
    engine.arrive("a", job(prompt_tokens=99, output_tokens=90), 0.0)

    # One token at 0.1, and one every 0.021 from then on.
    assert 8 == endings(reports(engine))["a"].output_tokens


def test_what_an_aborted_stream_has_received_is_counted_though_nobody_was_told() -> None:
    engine = Engine(SERVER, report_every_s=inf)
    engine.arrive("a", job(prompt_tokens=100, output_tokens=90, link_factor=2.0), 0.0)
    reports(engine, until_s=0.2)

    # Twice 0.011 up, 0.005 and 0.101: the first token leaves at 0.128. What has come by 0.2 left by 0.18.
    ending = engine.abort("a", EndingKind.CANCELLED, 0.2)

    assert (3, exactly((1000 + 3 * 250) * 1e-6)) == (ending.output_tokens, ending.transmit_j)


def test_what_came_before_a_writer_gave_way_has_come() -> None:
    engine = Engine(replace(AT_HAND, kv_tokens=1001), report_every_s=inf)
    engine.arrive("a", job(prompt_tokens=3, output_tokens=40), 0.0)
    engine.arrive("b", job(prompt_tokens=969, output_tokens=32), 0.03)
    reports(engine, until_s=1.5)

    # b has had 14 tokens by 1.285, when the cache was full.
    assert 14 == engine.abort("b", EndingKind.CANCELLED, 1.5).output_tokens


def test_a_first_token_that_came_early_is_not_counted_away() -> None:
    engine = Engine(SERVER, report_every_s=inf)
    engine.arrive("a", job(prompt_tokens=100, output_tokens=90, link_factor=0.1), 0.0)
    known = reports(engine, until_s=0.11)

    assert [1] == [report.event.tokens for report in known if isinstance(report.event, Progress)]
    assert 1 == engine.abort("a", EndingKind.CANCELLED, 0.1086).output_tokens
