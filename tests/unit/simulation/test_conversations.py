"""Conversations: what is said again, when it is said, and that nothing else moves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from msgspec import structs

from perllm.simulation.arrivals import Arrivals
from perllm.simulation.conversations import PIECE_TOKENS, Turns
from perllm.simulation.job import Job
from perllm.simulation.lengths import TableLengths, fixed, mean_tokens, uniform
from perllm.simulation.scenario import Scenario, ServiceLoad, Workload
from perllm.simulation.simulator import run
from perllm.simulation.workload import jobs
from tests.unit.simulation.machines import CHAT, LOAD, SERVER, scenario

TURNS = Turns(messages=uniform(1, 7), message_tokens=uniform(5, 60), gap_s=10.0, gap_sigma=0.8)
MAIL = structs.replace(CHAT, name="mail")
TALK = replace(LOAD, turns=TURNS, max_output_tokens=80, leaving_fraction=0.0)


def talking(requests: int = 2000, turns: Turns = TURNS, **load: Any) -> Scenario:
    return scenario(requests=requests, load=replace(TALK, turns=turns, **load))


def by_session(traffic: Scenario, seed: int = 1) -> dict[str, list[tuple[float, Job]]]:
    found = defaultdict(list)
    for at_s, job in jobs(traffic, seed):
        assert job.request.session is not None
        found[job.request.session].append((at_s, job))
    return found


def test_every_prompt_is_all_that_was_said_before_and_a_message_of_its_own() -> None:
    for messages in by_session(talking()).values():
        for (_, before), (_, after) in pairwise(messages):
            own = after.truth.prompt_tokens - before.truth.prompt_tokens - before.truth.output_tokens
            said = [*before.truth.blocks, *before.truth.answer_blocks]
            assert 5 <= own <= 60
            assert said == list(after.truth.blocks)[: len(said)]
            assert PIECE_TOKENS == after.truth.block_tokens
            assert len(said) == (before.truth.prompt_tokens + before.truth.output_tokens) // PIECE_TOKENS


def test_conversations_share_nothing_with_one_another() -> None:
    pieces = [set(messages[-1][1].truth.blocks) for messages in by_session(talking(500)).values()]

    assert sum(map(len, pieces)) == len(set().union(*pieces))


def test_messages_come_in_order_and_a_gap_apart() -> None:
    steady = replace(TURNS, gap_sigma=0.0)
    times = [at_s for at_s, _ in jobs(talking(turns=steady), 1)]

    assert sorted(times) == times
    for messages in by_session(talking(turns=steady)).values():
        for (earlier_s, _), (later_s, _) in pairwise(messages):
            assert pytest.approx(10.0) == later_s - earlier_s


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_what_is_said_does_not_depend_on_the_portions_it_is_drawn_in(chunk: int) -> None:
    assert list(jobs(talking(300), 3)) == list(jobs(talking(300), 3, chunk=chunk))


def test_rates_count_all_messages() -> None:
    arrivals = [at_s for at_s, _ in jobs(talking(20_000, turns=replace(TURNS, gap_s=1.0)), 1)]

    assert pytest.approx(1 / 6.0, rel=0.05) == arrivals[-1] / len(arrivals)


def test_a_service_whose_requests_go_on_keeps_its_share_of_all() -> None:
    loads = {"chat": replace(TALK, share=3.0, turns=replace(TURNS, gap_s=1.0)), "mail": replace(LOAD, share=1.0)}
    mixed = scenario(services=(CHAT, MAIL), workload=Workload(requests=20_000, rate_per_s=6.0, loads=loads))

    mail = [job.request for _, job in jobs(mixed, 1) if job.request.service == "mail"]

    assert pytest.approx(0.25, abs=0.02) == len(mail) / 20_000
    assert {None} == {request.session for request in mail}


def test_that_one_load_goes_on_moves_no_other_in_time() -> None:
    def mail(load: ServiceLoad) -> list[float]:
        loads = {"chat": replace(load, arrivals=Arrivals()), "mail": replace(LOAD, arrivals=Arrivals())}
        mixed = scenario(services=(CHAT, MAIL), workload=Workload(requests=900, rate_per_s=6.0, loads=loads))
        return [at_s for at_s, job in jobs(mixed, 1) if job.request.service == "mail"][:200]

    assert mail(LOAD) == mail(TALK)


def test_a_conversation_ends_before_its_prompt_is_too_long() -> None:
    most = 300
    longest = max(job.truth.prompt_tokens for _, job in jobs(talking(turns=replace(TURNS, most_tokens=most)), 1))

    assert max(job.truth.prompt_tokens for _, job in jobs(talking(), 1)) > most
    # First messages are as long as they are.
    assert longest <= 400
    assert all(
        job.truth.prompt_tokens <= most
        for messages in by_session(talking(turns=replace(TURNS, most_tokens=most))).values()
        for _, job in messages[1:]
    )


def test_where_a_conversation_was_read_it_need_not_be_read_again() -> None:
    caching = scenario(
        requests=300,
        rate_per_s=0.5,
        load=replace(TALK, turns=replace(TURNS, gap_s=100.0)),
        servers=(structs.replace(SERVER, caches_prefixes=True),),
        policy="round-robin",
    )
    plain = replace(caching, servers=(SERVER,))

    known, unknown = (run(each, seed=1).result["energy_j"]["infer"] for each in (caching, plain))

    assert known < 0.9 * unknown


@pytest.mark.parametrize(
    ("lengths", "mean"),
    [
        (fixed(7), 7.0),
        (uniform(1, 9), 5.0),
        (TableLengths(probabilities=(0.0, 1.0), tokens=(1.0, 100.0), minimum=1, maximum=50), 37.75),
    ],
)
def test_means_are_those_of_what_is_drawn(lengths: Any, mean: float) -> None:
    assert pytest.approx(mean, rel=0.01) == mean_tokens(lengths)
