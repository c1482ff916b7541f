"""Traffic that makes no sense is refused with its line, its key and what to do."""

from collections.abc import Mapping
from typing import Any

import pytest

from perllm.errors import ConfigError
from tests.unit.config.files import LENGTHS, LOAD, scenario_file

BARE = {"model": "llama"}
TRACE = {"file": "a.csv"}


def told(load: Mapping[str, Any] = LOAD, **keys: Any) -> str:
    """Return the error that a workload of one load ends in."""
    section = {"requests": 10, "rate_per_s": 1, "loads": {"chat": load}, **keys}
    with pytest.raises(ConfigError) as raised:
        scenario_file(workload={key: value for key, value in section.items() if value is not None})
    return str(raised.value)


@pytest.mark.parametrize(
    ("lengths", "problem"),
    [
        ({}, "give one of median (with sigma), fixed, uniform, quantiles and set"),
        ({"fixed": 3, "set": "alpaca"}, "give one of median (with sigma), fixed, uniform, quantiles and set"),
        ({"median": 3, "maximum": 9}, "median and sigma belong together"),
        ({"fixed": 3, "sigma": 0.4}, "median and sigma belong together"),
        ({"median": 3, "sigma": 0.4}, "median needs a maximum"),
        ({"set": "alpaca", "minimum": 9, "maximum": 8}, "minimum must not be above maximum"),
        ({"uniform": [9, 8]}, "uniform must have the shorter length first"),
        ({"quantiles": [[0, 1], [0.9, 5]]}, "quantiles must rise from share 0 to share 1"),
        ({"quantiles": [[0, 1], [0.9, 5], [0.9, 6], [1, 7]]}, "quantiles must rise from share 0 to share 1"),
        ({"quantiles": [[0, 5], [1, 4]]}, "the tokens of quantiles must be 1 or more and not fall"),
        ({"quantiles": [[0, 0], [1, 4]]}, "the tokens of quantiles must be 1 or more and not fall"),
    ],
)
def test_lengths_of_no_single_form_are_refused(lengths: dict[str, Any], problem: str) -> None:
    message = told({**LOAD, "prompt_tokens": lengths})

    assert f"workload.loads.chat.prompt_tokens: {problem}" in message


def test_an_unknown_set_is_refused_with_the_nearest() -> None:
    message = told({**LOAD, "prompt_tokens": {"set": "alpacca"}})

    assert "prompt_tokens.set: there is no length set called 'alpacca'. Did you mean alpaca?" in message


@pytest.mark.parametrize(
    ("arrivals", "problem"),
    [
        ({"process": "gamma"}, "arrivals: a gamma process needs cv and no shape"),
        ({"process": "gamma", "cv": 2, "shape": 2}, "arrivals: a gamma process needs cv and no shape"),
        ({"process": "weibull"}, "arrivals: a weibull process needs cv or shape"),
        ({"process": "weibull", "cv": 2, "shape": 2}, "arrivals: a weibull process needs cv or shape"),
        ({"cv": 2}, "arrivals: a poisson process has neither cv nor shape"),
        ({"process": "constant", "shape": 2}, "arrivals: a constant process has neither cv nor shape"),
        ({"process": "gama"}, "arrivals.process: 'gama' does not fit here. Did you mean gamma?"),
        ({"process": "gamma", "cv": 1000}, "arrivals.cv: 1000 does not fit here. Give a coefficient of variation"),
        ({"rate": {"diurnal": {"depth": 2}}}, "arrivals.rate.diurnal.depth: 2 does not fit here"),
        ({"rate": {"spikes": [{"from_s": 2, "to_s": 2, "factor": 1}]}}, "to_s must be later than from_s"),
        ({"rate": {"ramps": [{"from_s": 2, "to_s": 1, "factor": 1}]}}, "to_s must not be earlier than from_s"),
        (
            {"rate": {"ramps": [{"from_s": 2, "to_s": 9, "factor": 1}, {"from_s": 8, "factor": 1}]}},
            "arrivals.rate: each of the ramps must begin after the one before has ended",
        ),
        (
            {"rate": {"ramps": [{"from_s": 2, "factor": 0}]}},
            "arrivals.rate: the last of the ramps must have a factor above 0",
        ),
    ],
)
def test_arrivals_that_make_no_process_are_refused(arrivals: dict[str, Any], problem: str) -> None:
    assert problem in told(arrivals=arrivals)
    assert problem in told({**LOAD, "arrivals": arrivals})


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"requests": None}, "workload.requests: this key is missing. Give a whole number"),
        (
            {"rate_per_s": None},
            "workload.rate_per_s: this key is missing. Give a number above 0, or rate_per_s",
        ),
        ({"load": BARE}, "workload.loads.chat.share: this key is missing. Give a number above 0"),
        (
            {"load": {**BARE, "share": 1, "output_tokens": LENGTHS}},
            "workload.loads.chat.prompt_tokens: this key is missing. Give a section",
        ),
        ({"load": {**LOAD, "rate_per_s": 1}}, "workload.rate_per_s: the rates of single services stand in their loads"),
        (
            {"load": {**LOAD, "rate_per_s": 1}, "rate_per_s": None},
            "workload.loads.chat.rate_per_s: share and rate_per_s say the same thing twice",
        ),
    ],
)
def test_traffic_without_a_trace_needs_its_figures(keys: dict[str, Any], problem: str) -> None:
    assert problem in told(**keys)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"trace": TRACE}, "workload.trace: a trace has a rate of its own. Remove rate_per_s"),
        (
            {"trace": TRACE, "rate_per_s": None, "arrivals": {"process": "constant"}},
            "workload.trace: a trace has arrivals of its own. Remove arrivals, or the trace",
        ),
        (
            {"trace": {**TRACE, "service": "chta"}},
            "workload.trace.service: there is no load called 'chta'. Did you mean",
        ),
        (
            {"trace": {**TRACE, "services_by_model": {"GPT-4": "chta"}}},
            "workload.trace.services_by_model.GPT-4: there is no load called 'chta'",
        ),
        (
            {"trace": {**TRACE, "service": "chat", "services_by_model": {"GPT-4": "chat"}}},
            "workload.trace: give service or services_by_model, not both",
        ),
        (
            {"trace": {**TRACE, "layout": "azur"}},
            "workload.trace.layout: 'azur' does not fit here. Did you mean",
        ),
    ],
)
def test_a_trace_stands_alone_and_names_what_there_is(keys: dict[str, Any], problem: str) -> None:
    assert problem in told(**keys)


TURNS = {"messages": {"fixed": 5}, "gap_s": {"median": 30}}


@pytest.mark.parametrize(
    ("turns", "problem"),
    [
        ({"messages": {"fixed": 5}}, "turns.gap_s: this key is missing"),
        ({**TURNS, "gap_s": {"median": 0}}, "turns.gap_s.median: 0 does not fit here. Give a number above 0"),
        ({**TURNS, "think_s": 3}, "turns.think_s: this key is unknown."),
        ({**TURNS, "messages": {"fixed": 0}}, "turns.messages.fixed: 0 does not fit here"),
        ({**TURNS, "messages": {"set": "alpaca"}}, "turns.messages.set: sets are lengths of prompts and answers"),
        ({**TURNS, "message_tokens": {"set": "alpacca"}}, "turns.message_tokens.set: there is no length set called"),
    ],
)
def test_turns_that_make_no_conversation_are_refused(turns: dict[str, Any], problem: str) -> None:
    assert f"workload.loads.chat.{problem}" in told({**LOAD, "turns": turns})


def test_turns_do_not_go_with_a_trace() -> None:
    message = told({**BARE, "turns": {**TURNS, "message_tokens": {"fixed": 9}}}, trace=TRACE, rate_per_s=None)

    assert "workload.loads.chat.turns: a trace says itself what goes on from what. Remove turns, or" in message
