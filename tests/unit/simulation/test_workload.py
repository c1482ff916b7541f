"""Traffic drawn from a scenario."""

from __future__ import annotations

from dataclasses import replace
from math import exp
from statistics import mean, median

import pytest

from perllm.domain.request import Requirement
from perllm.domain.service import Service
from perllm.simulation.lengths import Lengths
from perllm.simulation.scenario import Scenario, Workload, WorldSettings
from perllm.simulation.workload import jobs
from tests.unit.simulation.machines import CHAT, LOAD, scenario


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
