"""Every scenario that ships runs and keeps the laws, and those of the paper differ where they should alone."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.config.world_schema import BandwidthSection, FluctuationSection
from perllm.domain.server import Tier
from perllm.scheduling.settings import SchedulerSettings
from perllm.simulation.scenario import Scenario
from perllm.simulation.simulator import run

FOLDER = Path(__file__).parents[3] / "scenarios"
DOCS = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
EDGE_MODELS = {"yi-6b": "Yi-6B", "llama2-7b": "LLaMA2-7B", "llama3-8b": "LLaMA3-8B", "yi-9b": "Yi-9B"}
FLUCTUATES = BandwidthSection(fluctuates=FluctuationSection(spread=0.2, every_s=5.0))


@cache
def shipped(name: str) -> Scenario:
    return scenario_value(load_scenario(FOLDER / f"{name}.yaml"))


def result_of(name: str, policy: str, requests: int = 200) -> dict[str, Any]:
    scenario = shipped(name)
    few = replace(scenario.workload, requests=requests)
    return run(replace(scenario, policy=policy, workload=few), seed=1).result


def text_of(model: str, bandwidth: str) -> str:
    text = (FOLDER / f"paper-{model}-{bandwidth}.yaml").read_text(encoding="utf-8")
    return text.replace(EDGE_MODELS[model], "MODEL").replace(model, "MODEL")


@pytest.mark.parametrize("policy", ["cs-ucb", "round-robin"])
@pytest.mark.parametrize("name", NAMES)
def test_a_short_run_conserves_requests_and_joules(name: str, policy: str) -> None:
    result = result_of(name, policy)

    requests = result["requests"]
    assert {True} == set(result["laws"].values())
    assert 200 == requests["submitted"]
    assert 200 == sum(requests[fate] for fate in ("completed", "refused", "failed", "timed_out", "cancelled"))


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_is_bounded_and_stands_in_the_docs(name: str) -> None:
    assert (shipped(name).workload.requests or 0) <= 10_000
    assert f"`{name}.yaml`" in DOCS or name.startswith("paper-")


@pytest.mark.parametrize("bandwidth", ["stable", "fluctuating"])
@pytest.mark.parametrize("model", EDGE_MODELS)
def test_the_papers_test_bed_is_the_papers(model: str, bandwidth: str) -> None:
    scenario = shipped(f"paper-{model}-{bandwidth}")

    tiers = [server.tier for server in scenario.servers]
    limits = [service.requirement.total_s for service in scenario.services]
    assert (5, 1) == (tiers.count(Tier.EDGE), tiers.count(Tier.CLOUD))
    assert 10_000 == scenario.workload.requests
    assert all(limit is not None and 2 <= limit <= 6 for limit in limits)


@pytest.mark.parametrize("bandwidth", ["stable", "fluctuating"])
@pytest.mark.parametrize("model", EDGE_MODELS)
def test_the_papers_files_are_alike_but_for_the_edges_model(model: str, bandwidth: str) -> None:
    file = load_scenario(FOLDER / f"paper-{model}-{bandwidth}.yaml")

    edges = {server.hardware.model for server in file.servers.values() if server.tier is Tier.EDGE and server.hardware}
    assert {model} == edges
    assert text_of("llama2-7b", bandwidth) == text_of(model, bandwidth)


def test_the_papers_files_are_alike_but_for_the_bandwidth() -> None:
    stays = load_scenario(FOLDER / "paper-yi-6b-stable.yaml")
    fluctuates = load_scenario(FOLDER / "paper-yi-6b-fluctuating.yaml")

    still = msgspec.structs.replace(fluctuates.world, bandwidth=None, link_jitter=0.0)
    assert (None, 0.0, FLUCTUATES) == (stays.world.bandwidth, stays.world.link_jitter, fluctuates.world.bandwidth)
    assert stays == msgspec.structs.replace(fluctuates, name=stays.name, world=still)


def test_the_sleeping_edges_are_the_papers_but_for_their_rest() -> None:
    sleeping, paper = shipped("sleeping-edges"), shipped("paper-llama2-7b-stable")
    awake = tuple(structs.replace(server, rests=()) for server in sleeping.servers)
    workload = replace(sleeping.workload, rate_per_s=paper.workload.rate_per_s)

    assert replace(sleeping, name=paper.name, servers=awake, workload=workload) == paper
    assert [True] * 5 + [False] == [server.sleep is not None for server in sleeping.servers]


def test_sleeping_edges_save_two_fifths_of_all_joules_and_nobody_is_late_for_it() -> None:
    few = replace(shipped("sleeping-edges").workload, requests=3000)
    both = [
        run(replace(shipped("sleeping-edges"), workload=few, scheduler=SchedulerSettings(power=power)), seed=1).result
        for power in (True, False)
    ]

    joules = [result["energy_j"]["total"] / result["goodput_tokens_per_s"] / result["makespan_s"] for result in both]
    assert joules[0] < 0.65 * joules[1]
    assert both[0]["attainment"] >= both[1]["attainment"] - 0.002


def test_the_home_labs_pc_sleeps_at_night() -> None:
    scenario = shipped("home-lab")
    exact = replace(scenario.world, prior_error=0.0)
    night = replace(scenario.workload, requests=300)

    result = run(replace(scenario, policy="cloud-only", workload=night, world=exact), seed=1).result

    (pc,) = (server for server in scenario.servers if server.server_id == "gaming-pc")
    mean_w = result["servers"]["gaming-pc"]["idle_j"] / result["makespan_s"]
    assert pc.rests[0].watts < mean_w < 0.8 * pc.power.idle_w


def test_conversations_that_go_on_where_they_were_read_cost_less_and_begin_sooner() -> None:
    few = replace(shipped("conversations").workload, requests=2000)
    both = [
        run(
            replace(shipped("conversations"), workload=few, scheduler=SchedulerSettings(sessions=sessions)), seed=1
        ).result
        for sessions in (True, False)
    ]

    joules = [result["energy_j"]["total"] / result["goodput_tokens_per_s"] / result["makespan_s"] for result in both]
    assert joules[0] < 0.95 * joules[1]
    assert both[0]["attainment"] > both[1]["attainment"]
