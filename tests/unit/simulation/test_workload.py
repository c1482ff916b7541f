"""Traffic drawn from a scenario."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import exp
from pathlib import Path
from statistics import mean, median, stdev

import pytest

from perllm.domain.request import Requirement
from perllm.domain.service import Service
from perllm.errors import ConfigError
from perllm.simulation.arrivals import Arrivals, Process, gamma_shape
from perllm.simulation.length_sets import length_set
from perllm.simulation.lengths import Lengths
from perllm.simulation.rates import Diurnal, RateShape
from perllm.simulation.scenario import Scenario, TraceSource, Workload, WorldSettings
from perllm.simulation.workload import jobs
from tests.unit.simulation.machines import CHAT, LOAD, scenario
from tests.unit.simulation.traces.traces import AZURE, BURSTGPT, MOONCAKE, servegen, written


def two_services(requests: int = 4000) -> Scenario:
    loads = {"chat": replace(LOAD, share=3.0, stream_fraction=1.0), "mail": replace(LOAD, stream_fraction=0.0)}
    return scenario(
        services=(CHAT, Service(name="mail", requirement=Requirement(total_s=60.0))),
        workload=Workload(requests=requests, rate_per_s=20.0, loads=loads),
    )


def test_requests_arrive_in_order_at_the_rate_asked_for() -> None:
    arrivals = [at_s for at_s, _ in jobs(scenario(requests=20_000, rate_per_s=8.0), 1)]

    assert 20_000 == len(arrivals)
    assert sorted(arrivals) == arrivals
    assert pytest.approx(1 / 8.0, rel=0.03) == arrivals[-1] / len(arrivals)


def test_services_have_their_shares_and_their_requirements() -> None:
    traffic = [job for _, job in jobs(two_services(), 1)]
    mail = [job for job in traffic if job.request.service == "mail"]

    assert pytest.approx(0.25, abs=0.03) == len(mail) / len(traffic)
    assert {60.0} == {job.request.requirement.total_s for job in mail}
    assert {(True, "chat"), (False, "mail")} == {(job.request.stream, job.request.service) for job in traffic}


def test_lengths_are_log_normal_and_cut_at_both_ends() -> None:
    lengths = Lengths(median_tokens=50, sigma=0.8, minimum=20, maximum=200)
    traffic = scenario(requests=20_000, load=replace(LOAD, output_tokens=lengths))

    drawn = [job.truth.output_tokens for _, job in jobs(traffic, 1)]

    assert (20, 200) == (min(drawn), max(drawn))
    assert pytest.approx(50, abs=1.5) == median(drawn)
    # One deviation above the median: Φ(1) of them are shorter.
    assert pytest.approx(0.841, abs=0.01) == mean(tokens < 50 * exp(0.8) for tokens in drawn)


def test_no_answer_is_longer_than_its_client_allows() -> None:
    traffic = [job for _, job in jobs(scenario(load=replace(LOAD, max_output_tokens=12)), 1)]

    assert 12 == max(job.truth.output_tokens for job in traffic)
    assert {12} == {job.request.max_output_tokens for job in traffic}


def test_bytes_follow_from_the_prompt() -> None:
    load = replace(LOAD, bytes_per_prompt_token=5.0, overhead_bytes=123)

    for _, job in jobs(scenario(load=load), 1):
        assert 5 * job.truth.prompt_tokens == job.request.prompt_bytes
        assert job.request.prompt_bytes + 123 == job.request.payload_bytes == job.truth.upload_bytes


def test_streamed_tokens_weigh_what_their_service_says() -> None:
    loads = {"chat": LOAD, "mail": replace(LOAD, reply_bytes_per_token=40.0)}
    traffic = scenario(
        services=(CHAT, Service(name="mail")), workload=Workload(requests=200, rate_per_s=20.0, loads=loads)
    )

    weights = {(job.request.service, job.truth.token_bytes) for _, job in jobs(traffic, 1)}

    assert {("chat", 250.0), ("mail", 40.0)} == weights


def test_some_clients_leave_after_a_while() -> None:
    load = replace(LOAD, leaving_fraction=0.25, leaving_after_s=3.0)
    stays = [
        None if job.truth.leaves_at_s is None else job.truth.leaves_at_s - at_s
        for at_s, job in jobs(scenario(requests=8000, load=load), 1)
    ]
    left = [stay_s for stay_s in stays if stay_s is not None]

    assert pytest.approx(0.25, abs=0.02) == len(left) / len(stays)
    assert pytest.approx(3.0, rel=0.1) == mean(left)


def test_noise_is_around_one_or_none_at_all() -> None:
    noisy = [job.truth for _, job in jobs(scenario(requests=2000), 1)]
    still = [job.truth for _, job in jobs(scenario(world=WorldSettings(service_noise=0.0, link_jitter=0.0)), 1)]

    assert pytest.approx(1.0, abs=0.01) == median(truth.service_factor for truth in noisy)
    assert {(1.0, 1.0)} == {(truth.service_factor, truth.link_factor) for truth in still}


def test_fewer_requests_are_the_first_of_more() -> None:
    assert list(jobs(scenario(requests=50), 3)) == list(jobs(scenario(requests=200), 3))[:50]


def test_a_seed_goes_on_giving_the_requests_it_always_gave() -> None:
    drawn = [
        (at_s, job.request.service, job.truth.prompt_tokens, job.truth.output_tokens)
        for at_s, job in jobs(two_services(4), 7)
    ]

    assert [("chat", 44, 29), ("chat", 79, 161), ("chat", 27, 33), ("chat", 25, 47)] == [each[1:] for each in drawn]
    assert pytest.approx([0.06030472, 0.092286957, 0.142343049, 0.271973953]) == [each[0] for each in drawn]


@pytest.mark.parametrize("chunk", [1, 7, 100, 5000])
def test_requests_do_not_depend_on_how_many_are_drawn_at_once(chunk: int) -> None:
    assert list(jobs(lively(requests=300), 3, chunk=chunk)) == list(jobs(lively(requests=300), 3))


def test_a_service_may_arrive_in_its_own_way_at_its_share_of_the_rate() -> None:
    arrivals: dict[str, list[float]] = {"chat": [], "mail": []}
    for at_s, job in jobs(lively(requests=20_000), 1):
        arrivals[job.request.service].append(at_s)

    gaps = {name: [b - a for a, b in pairwise(at_s)] for name, at_s in arrivals.items()}
    assert pytest.approx(0.25, abs=0.02) == len(arrivals["mail"]) / 20_000
    assert pytest.approx(4.0, rel=0.1) == stdev(gaps["mail"]) / mean(gaps["mail"])
    assert pytest.approx(1.0, rel=0.05) == stdev(gaps["chat"]) / mean(gaps["chat"])


def test_what_one_service_becomes_moves_no_instant_of_another() -> None:
    def chats(traffic: Scenario) -> list[float]:
        return [at_s for at_s, job in jobs(traffic, 1) if job.request.service == "chat"]

    plain = lively(requests=400)
    loads = plain.workload.loads
    calmer = {**loads, "mail": replace(loads["mail"], arrivals=Arrivals(process=Process.CONSTANT))}
    other = replace(plain, workload=replace(plain.workload, loads=calmer))

    shorter = min(len(chats(plain)), len(chats(other)))
    assert chats(plain)[:shorter] == chats(other)[:shorter]


def test_a_rate_that_changes_is_followed() -> None:
    wave = Arrivals(rate=RateShape(diurnal=Diurnal(period_s=100.0, depth=1.0, peak_at_s=25.0)))
    plain = scenario()
    traffic = replace(plain, workload=replace(plain.workload, requests=10_000, rate_per_s=20.0, arrivals=wave))

    phases = [at_s % 100.0 for at_s, _ in jobs(traffic, 1) if at_s < 400.0]

    # The half around the peak holds 1/2 + 1/π of them.
    assert pytest.approx(0.818, abs=0.02) == mean(phase < 50.0 for phase in phases)


def test_lengths_may_come_from_a_set() -> None:
    load = replace(LOAD, prompt_tokens=length_set("alpaca").prompt_tokens)

    assert 11 == median(job.truth.prompt_tokens for _, job in jobs(scenario(requests=5000, load=load), 1))


def lively(requests: int) -> Scenario:
    """Return two services, of which one comes in bursts of its own, with lengths of every kind."""
    plain = two_services(requests)
    bursts = Arrivals(process=Process.GAMMA, shape=gamma_shape(4.0))
    mail = replace(
        plain.workload.loads["mail"], arrivals=bursts, prompt_tokens=length_set("azure-conv-2023").prompt_tokens
    )
    return replace(plain, workload=replace(plain.workload, loads={**plain.workload.loads, "mail": mail}))


def traced(path: Path, requests: int | None = None, **source: object) -> Scenario:
    """Return the same services, their requests taken from a trace."""
    plain = two_services()
    loads = {name: replace(load, prompt_tokens=None, output_tokens=None) for name, load in plain.workload.loads.items()}
    trace = TraceSource(path=path, **source)  # type: ignore[arg-type]
    return replace(plain, workload=Workload(loads=loads, requests=requests, trace=trace))


def test_a_trace_gives_instants_and_lengths_from_zero_on(tmp_path: Path) -> None:
    played = list(jobs(traced(written(tmp_path, AZURE)), 1))

    assert pytest.approx([0.0, 4.314579, 4.541877]) == [at_s for at_s, _ in played]
    assert [(374, 44), (396, 109), (879, 55)] == [
        (job.truth.prompt_tokens, job.truth.output_tokens) for _, job in played
    ]
    assert [374 * 4 + 300, 396 * 4 + 300, 879 * 4 + 300] == [job.request.payload_bytes for _, job in played]


def test_a_trace_can_be_played_faster_and_in_part(tmp_path: Path) -> None:
    played = list(jobs(traced(written(tmp_path, AZURE), requests=2, speed_up=2.0), 1))

    assert pytest.approx([0.0, 4.314579 / 2]) == [at_s for at_s, _ in played]


def test_requests_of_a_trace_are_of_one_service_or_by_model_or_by_share(tmp_path: Path) -> None:
    path = written(tmp_path, BURSTGPT)
    by_model = {"ChatGPT": "chat", "GPT-4": "mail"}

    assert ["mail", "mail"] == services_of(traced(path, service="mail"))
    assert ["chat", "mail"] == services_of(traced(path, services_by_model=by_model))
    shared = services_of(traced(written(tmp_path, AZURE.splitlines()[0] + "\n2023-11-16 18:15:46,3,4" * 4000, "long")))
    assert pytest.approx(0.25, abs=0.03) == shared.count("mail") / 4000


def test_a_model_without_a_service_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no service for model 'GPT-4'\. Name one"):
        services_of(traced(written(tmp_path, BURSTGPT), services_by_model={"ChatGPT": "chat"}))
    with pytest.raises(ConfigError, match="there is no service for a request of no model"):
        services_of(traced(written(tmp_path, AZURE), services_by_model={"ChatGPT": "chat"}))


def test_sessions_and_blocks_of_a_trace_are_kept(tmp_path: Path) -> None:
    text = "Timestamp,Session ID,Model,Request tokens,Response tokens\n5,s1,GPT-4,472,18\n"
    session = [job.request.session for _, job in jobs(traced(written(tmp_path, text)), 1)]
    blocks = [job.truth.blocks for _, job in jobs(traced(written(tmp_path, MOONCAKE)), 1)]

    assert ["s1"] == session
    assert [(46, 47), (46, 57)] == blocks
    assert {()} == {job.truth.blocks for _, job in jobs(scenario(requests=20), 1)}


def test_a_client_mix_is_drawn_by_its_seed_in_any_chunk(tmp_path: Path) -> None:
    mix = traced(servegen(tmp_path), requests=700, services_by_model={"7": "chat", "b": "mail"})

    assert list(jobs(mix, 1)) == list(jobs(mix, 1, chunk=13))
    assert list(jobs(mix, 1)) != list(jobs(mix, 2))
    assert 700 == len(list(jobs(mix, 1)))


def test_a_trace_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the trace has no requests"):
        list(jobs(traced(written(tmp_path, AZURE.splitlines()[0])), 1))


def services_of(traffic: Scenario) -> list[str]:
    return [job.request.service for _, job in jobs(traffic, 1)]
