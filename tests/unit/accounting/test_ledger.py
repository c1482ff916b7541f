import json
from typing import Any

import pytest

from perllm.accounting.ledger import Ledger
from perllm.domain.action import Fate
from perllm.domain.attempt import Ending, EndingKind
from perllm.domain.counts import Counts
from perllm.domain.energy import Energy, EnergyMethod
from tests.unit.accounting.entries import (
    CHAT,
    close_entry,
    completed,
    configure_entry,
    dispatch,
    finish,
    request,
    server,
    submit_entry,
    wake_entry,
)


def new_ledger() -> Ledger:
    return Ledger([server("edge"), server("cloud")], 0.0, services=[CHAT])


def result_of(ledger: Ledger, **more: Any) -> dict[str, Any]:
    return ledger.result(scenario="s", policy="p", seed=7, **({"finished_at_s": 20.0} | more))


def one_completed(ledger: Ledger) -> Ledger:
    ledger(submit_entry(request(), dispatch()))
    ledger(close_entry("r1#1", completed(), finish(first_token_at_s=0.5)))
    return ledger


def test_an_empty_run_has_zeros_and_unknowns_but_no_nan() -> None:
    result = result_of(new_ledger(), finished_at_s=0.0)

    json.dumps(result, allow_nan=False)
    assert (0, None, None) == (
        result["requests"]["submitted"],
        result["attainment"],
        result["throughput_tokens_per_s"],
    )
    assert (None, None) == (result["makespan_s"], result["energy_j"]["per_request"])
    assert all(result["laws"].values())


def test_a_result_says_what_was_run() -> None:
    result = result_of(new_ledger(), timing={"wall_s": 1.5})

    assert ("s", "p", 7, {"wall_s": 1.5}) == tuple(result[key] for key in ("scenario", "policy", "seed", "timing"))


def test_a_completed_request_is_counted_everywhere() -> None:
    result = result_of(one_completed(new_ledger()))

    assert {
        "submitted": 1,
        "completed": 1,
        "in_time": 1,
        "refused": 0,
        "failed": 0,
        "timed_out": 0,
        "cancelled": 0,
    } == result["requests"]
    assert {"mean": 2.0, "p50": 2.0, "p95": 2.0, "p99": 2.0} == result["latency_s"]
    assert 0.5 == result["first_token_s"]["p50"]
    assert (2.0, 10.0, 10.0) == (
        result["makespan_s"],
        result["throughput_tokens_per_s"],
        result["goodput_tokens_per_s"],
    )


def test_a_service_carries_its_counts_and_its_terms() -> None:
    chat = result_of(one_completed(new_ledger()))["services"]["chat"]

    assert (1, 1.0, 0.9) == (chat["submitted"], chat["attainment"], chat["target"])
    assert {"total_s": 10.0, "first_token_s": None} == chat["requirement"]
    assert (20, 2.0, 0.5) == (
        chat["output_tokens"],
        chat["latency_s"]["mean"],
        chat["first_token_s"]["mean"],
    )


def test_a_service_nobody_described_has_no_terms() -> None:
    ledger = Ledger([server("edge")], 0.0)
    chat = result_of(one_completed(ledger))["services"]["chat"]

    assert (None, None) == (chat["requirement"], chat["target"])


def test_services_may_come_with_the_first_configuration() -> None:
    ledger = Ledger([], 0.0)
    ledger(configure_entry(server("edge")))

    assert 0.9 == result_of(ledger)["services"]["chat"]["target"]


def test_joules_are_summed_by_account() -> None:
    energy = result_of(one_completed(new_ledger()))["energy_j"]

    idle_j = 2 * 10.0 * 20.0
    assert (1.0, 4.0, idle_j, 5.0 + idle_j) == (
        energy["transmit"],
        energy["infer"],
        energy["idle"],
        energy["total"],
    )
    assert (5.0 + idle_j, (5.0 + idle_j) / 20) == (energy["per_request"], energy["per_in_time_token"])


def test_the_joules_of_a_failed_attempt_count_on_its_own_server() -> None:
    ledger = new_ledger()
    failed = Ending(kind=EndingKind.FAILED, retryable=True, output_tokens=3, infer_j=2.0)
    ledger(submit_entry(request(), dispatch(server_id="edge")))
    ledger(close_entry("r1#1", failed, dispatch(number=2, server_id="cloud"), at_s=1.0))
    ledger(close_entry("r1#2", completed(), finish(energy=Energy(transmit_j=1.0, infer_j=6.0))))
    result = result_of(ledger)

    edge, cloud = result["servers"]["edge"], result["servers"]["cloud"]
    assert (1, 0, 1, 3, 2.0) == tuple(
        edge[key] for key in ("attempts", "completed", "failed", "output_tokens", "infer_j")
    )
    assert (1, 1, 0, 20, 4.0) == tuple(
        cloud[key] for key in ("attempts", "completed", "failed", "output_tokens", "infer_j")
    )
    assert result["laws"]["energy_conserved"]


def test_a_late_answer_is_a_miss_and_no_goodput() -> None:
    ledger = new_ledger()
    ledger(submit_entry(request(), dispatch()))
    ledger(close_entry("r1#1", completed(), finish(finished_at_s=12.0, in_time=False), at_s=12.0))
    result = result_of(ledger)

    assert (0, 0.0, 0.0) == (
        result["requests"]["in_time"],
        result["attainment"],
        result["goodput_tokens_per_s"],
    )
    assert 20 / 12 == result["throughput_tokens_per_s"]
    assert None is result["energy_j"]["per_in_time_token"]


def test_a_fast_failure_is_a_miss_and_no_fast_answer() -> None:
    ledger = new_ledger()
    ledger(submit_entry(request(), dispatch()))
    failed = finish(fate=Fate.FAILED, finished_at_s=0.1, in_time=False, energy=Energy())
    ledger(close_entry("r1#1", Ending(kind=EndingKind.FAILED, infer_j=0.0), failed, at_s=0.1))
    result = result_of(ledger)

    assert (1, 0.0, None) == (
        result["requests"]["failed"],
        result["attainment"],
        result["latency_s"]["mean"],
    )
    assert None is result["prediction_error"]["bias_fraction"]


def test_a_client_that_left_before_its_requirement_is_in_nobodys_share() -> None:
    ledger = one_completed(new_ledger())
    ledger(submit_entry(request("r2")))
    left = finish("r2", Fate.CANCELLED, in_time=False, counted=False, energy=Energy())
    ledger(wake_entry(left, at_s=3.0))
    result = result_of(ledger)

    assert (1, 1.0) == (result["requests"]["cancelled"], result["attainment"])


def test_predictions_are_compared_with_the_attempt_they_were_made_for() -> None:
    ledger = new_ledger()
    ledger(submit_entry(request(), at_s=0.0))
    ledger(wake_entry(dispatch(), at_s=5.0))
    ledger(close_entry("r1#1", completed(), finish(finished_at_s=7.0), at_s=7.0))
    errors = result_of(ledger)["prediction_error"]

    assert (0.5, 0.5) == (errors["median_absolute_fraction"], errors["bias_fraction"])
    assert pytest.approx(0.2) == errors["energy_median_absolute_fraction"]
    assert pytest.approx(0.2) == errors["energy_bias_fraction"]


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ((EnergyMethod.MEASURED, EnergyMethod.MEASURED), "measured"),
        ((EnergyMethod.MEASURED, EnergyMethod.MODELLED), "modelled"),
        ((EnergyMethod.DECLARED, EnergyMethod.MODELLED), "declared"),
    ],
)
def test_of_mixed_methods_the_least_certain_is_told(methods: tuple[EnergyMethod, ...], expected: str) -> None:
    ledger = new_ledger()
    for number, method in enumerate(methods):
        name = f"r{number}"
        ledger(submit_entry(request(name), dispatch(name)))
        ledger(close_entry(f"{name}#1", completed(method=method), finish(name)))

    assert expected == result_of(ledger)["energy_j"]["method"]


def test_unknown_joules_are_told_as_unknown() -> None:
    ledger = new_ledger()
    ledger(submit_entry(request(), dispatch()))
    ledger(close_entry("r1#1", completed(infer_j=None), finish(energy=Energy(transmit_j=1.0))))
    result = result_of(ledger, server_joules={"edge": 4.0, "cloud": 0.0})

    assert (1, None) == (result["energy_j"]["unmetered_attempts"], result["energy_j"]["method"])
    assert None is result["prediction_error"]["energy_bias_fraction"]
    assert result["laws"]["energy_conserved"]


def test_counts_follow_a_request_from_held_to_finished() -> None:
    ledger, seen = new_ledger(), []
    for entry in (
        submit_entry(request()),
        wake_entry(dispatch(), at_s=1.0),
        close_entry("r1#1", completed(), finish()),
    ):
        ledger(entry)
        seen.append(ledger.counts())

    assert [
        Counts(submitted=1, held=1),
        Counts(submitted=1, in_flight=1),
        Counts(submitted=1, completed=1),
    ] == seen


def test_a_request_that_ends_twice_breaks_the_law() -> None:
    ledger = one_completed(new_ledger())
    ledger(wake_entry(finish(), at_s=3.0))
    result = result_of(ledger)

    assert (1, False) == (result["requests"]["completed"], result["laws"]["requests_conserved"])


def test_a_request_that_ends_before_its_attempt_breaks_the_law() -> None:
    ledger = new_ledger()
    ledger(submit_entry(request(), dispatch(), finish()))

    assert not result_of(ledger)["laws"]["requests_conserved"]


def test_a_request_submitted_twice_breaks_the_law() -> None:
    ledger = new_ledger()
    ledger(submit_entry(request()))
    ledger(submit_entry(request()))

    assert not result_of(ledger)["laws"]["requests_conserved"]


def test_an_attempt_closed_twice_breaks_the_law() -> None:
    ledger = one_completed(new_ledger())
    ledger(close_entry("r1#1", completed()))

    assert not result_of(ledger)["laws"]["attempts_closed_once"]


def test_a_request_told_other_joules_than_were_spent_breaks_the_law() -> None:
    ledger = new_ledger()
    ledger(submit_entry(request(), dispatch()))
    ledger(close_entry("r1#1", completed(infer_j=4.0), finish(energy=Energy(infer_j=3.0))))

    assert not result_of(ledger)["laws"]["energy_conserved"]


@pytest.mark.parametrize(("metered_j", "expected"), [(4.0, True), (4.1, False), (3.9, False)])
def test_a_meter_that_disagrees_with_its_attempts_breaks_the_law(metered_j: float, expected: bool) -> None:
    result = result_of(one_completed(new_ledger()), server_joules={"edge": metered_j, "cloud": 0.0})

    assert expected == result["laws"]["energy_conserved"]


@pytest.mark.parametrize(("off_j", "expected"), [(1e-6, True), (1e-1, False)])
def test_what_a_meter_counted_for_others_blurs_what_it_counted_for_us(off_j: float, expected: bool) -> None:
    joules = {"server_joules": {"edge": 4.0 + off_j, "cloud": -off_j}, "foreign_joules": {"edge": 1e6, "cloud": 1e6}}
    result = result_of(one_completed(new_ledger()), **joules)

    assert expected == result["laws"]["energy_conserved"]


@pytest.mark.parametrize(("metered_j", "expected"), [(9.0, True), (4.0, True), (3.9, False)])
def test_a_meter_may_be_ahead_while_an_attempt_is_open(metered_j: float, expected: bool) -> None:
    ledger = one_completed(new_ledger())
    ledger(submit_entry(request("r2"), dispatch("r2")))
    result = result_of(ledger, server_joules={"edge": metered_j})

    assert expected == result["laws"]["energy_conserved"]
