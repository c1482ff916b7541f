"""The traffic's sections arrive whole in the workload that is drawn."""

from pathlib import Path
from typing import Any

import pytest

from perllm.config.loader import load_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.simulation.arrivals import Arrivals, Process, weibull_shape
from perllm.simulation.conversations import Turns
from perllm.simulation.length_sets import length_set
from perllm.simulation.lengths import TableLengths, fixed, uniform
from perllm.simulation.rates import Diurnal, Ramp, RateShape, Spike
from perllm.simulation.scenario import TraceSource, Workload
from perllm.simulation.traces.request import Layout
from tests.unit.config.files import LOAD, SCENARIO, as_yaml, scenario_file

RATE = {
    "diurnal": {"period_s": 600, "depth": 0.4, "peak_at_s": 100},
    "ramps": [{"from_s": 10, "to_s": 20, "factor": 2}, {"from_s": 30, "factor": 3}],
    "spikes": [{"from_s": 5, "to_s": 6, "factor": 9}],
}


def workload(load: dict[str, Any] | None = None, **keys: Any) -> Workload:
    section = {"requests": 10, "rate_per_s": 1, "loads": {"chat": {**LOAD, **(load or {})}}, **keys}
    return scenario_value(scenario_file(workload=section)).workload


def test_arrivals_and_their_rate_arrive() -> None:
    arrivals = workload(arrivals={"process": "gamma", "cv": 2, "rate": RATE}).arrivals

    rate = RateShape(
        diurnal=Diurnal(period_s=600.0, depth=0.4, peak_at_s=100.0),
        ramps=(Ramp(from_s=10.0, to_s=20.0, factor=2.0), Ramp(from_s=30.0, to_s=30.0, factor=3.0)),
        spikes=(Spike(from_s=5.0, to_s=6.0, factor=9.0),),
    )
    assert Arrivals(process=Process.GAMMA, shape=0.25, rate=rate) == arrivals


@pytest.mark.parametrize(
    ("section", "arrivals"),
    [
        ({"process": "poisson"}, Arrivals()),
        ({"process": "constant"}, Arrivals(process=Process.CONSTANT)),
        ({"process": "weibull", "cv": 2}, Arrivals(process=Process.WEIBULL, shape=weibull_shape(2.0))),
        ({"process": "weibull", "shape": 0.5}, Arrivals(process=Process.WEIBULL, shape=0.5)),
    ],
)
def test_a_service_may_have_arrivals_of_its_own(section: dict[str, Any], arrivals: Arrivals) -> None:
    assert arrivals == workload({"arrivals": section}).loads["chat"].arrivals


def test_rates_of_single_services_are_shares_of_their_sum() -> None:
    load = {key: value for key, value in LOAD.items() if key != "share"}
    section = {"requests": 10, "loads": {"chat": {**load, "rate_per_s": 3}, "mail": {**load, "rate_per_s": 1}}}

    made = scenario_value(scenario_file(services={"chat": {}, "mail": {}}, workload=section)).workload

    assert (4.0, [3.0, 1.0]) == (made.rate_per_s, [each.share for each in made.loads.values()])


@pytest.mark.parametrize(
    ("section", "lengths"),
    [
        ({"fixed": 20}, fixed(20)),
        ({"uniform": [5, 9]}, uniform(5, 9)),
        (
            {"quantiles": [[0, 2], [0.5, 20], [1, 300]], "minimum": 4, "maximum": 200},
            TableLengths(probabilities=(0.0, 0.5, 1.0), tokens=(2.0, 20.0, 300.0), minimum=4, maximum=200),
        ),
        ({"set": "alpaca"}, length_set("alpaca").output_tokens),
    ],
)
def test_lengths_of_every_form_arrive(section: dict[str, Any], lengths: object) -> None:
    assert lengths == workload({"output_tokens": section}).loads["chat"].output_tokens


def test_a_set_gives_prompts_to_prompts_and_may_be_cut() -> None:
    prompts = workload({"prompt_tokens": {"set": "sharegpt", "maximum": 500}}).loads["chat"].prompt_tokens

    table = length_set("sharegpt").prompt_tokens
    assert TableLengths(probabilities=table.probabilities, tokens=table.tokens, minimum=4, maximum=500) == prompts


def test_every_key_of_a_trace_arrives() -> None:
    loads = {"chat": {"model": "llama"}}
    trace = {"file": "a.csv", "layout": "burstgpt", "speed_up": 2, "services_by_model": {"GPT-4": "chat"}}

    made = scenario_value(scenario_file(workload={"loads": loads, "trace": trace})).workload

    expected = TraceSource(
        path=Path("a.csv"), layout=Layout.BURSTGPT, speed_up=2.0, services_by_model={"GPT-4": "chat"}
    )
    assert (expected, None, None) == (made.trace, made.requests, made.rate_per_s)
    assert None is made.loads["chat"].prompt_tokens


@pytest.mark.parametrize(("file", "found"), [("traces/a.csv", "in/traces/a.csv"), ("/far/a.csv", "/far/a.csv")])
def test_a_trace_is_found_from_the_scenarios_folder(file: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "scenario.yaml"
    section = {"loads": {"chat": {"model": "llama"}}, "trace": {"file": file, "service": "chat"}}
    path.write_text(as_yaml({**SCENARIO, "workload": section}), encoding="utf-8")

    trace = scenario_value(load_scenario(path)).workload.trace

    assert trace is not None
    assert (tmp_path / found, "chat") == (trace.path, trace.service)


def test_turns_arrive_and_messages_are_as_long_as_first_ones_unless_it_is_said_otherwise() -> None:
    section = {"messages": {"uniform": [1, 9]}, "gap_s": {"median": 30, "sigma": 0.5}, "most_tokens": 4000}
    turns = workload({"turns": {**section, "message_tokens": {"fixed": 20}}}).loads["chat"].turns
    alike = workload({"turns": section}).loads["chat"]

    expected = Turns(messages=uniform(1, 9), message_tokens=fixed(20), gap_s=30.0, gap_sigma=0.5, most_tokens=4000)
    assert expected == turns
    assert alike.turns is not None
    assert alike.prompt_tokens == alike.turns.message_tokens
