import pytest

from perllm.accounting.idle import IdleAccount, IdleAccounting
from perllm.accounting.ledger import Ledger
from perllm.domain.action import PowerState, SetPower
from tests.unit.accounting.entries import configure_entry, server, wake_entry


def idle_j(ledger: Ledger, finished_at_s: float) -> float:
    result = ledger.result(scenario="", policy="", seed=None, finished_at_s=finished_at_s)
    assert result["energy_j"]["idle"] == sum(row["idle_j"] for row in result["servers"].values())
    return float(result["energy_j"]["idle"])


def asleep_from_4_to_7(ledger: Ledger) -> Ledger:
    ledger(wake_entry(SetPower(server_id="edge", state=PowerState.ASLEEP), at_s=4.0))
    ledger(wake_entry(SetPower(server_id="edge", state=PowerState.AWAKE), at_s=7.0))
    return ledger


@pytest.mark.parametrize(
    ("rule", "expected_j"),
    [(IdleAccounting.ALL, 80.0), (IdleAccounting.POWERED, 50.0), (IdleAccounting.NONE, 0.0)],
)
def test_sleep_counts_as_the_rule_says(rule: IdleAccounting, expected_j: float) -> None:
    ledger = asleep_from_4_to_7(Ledger([server(idle_w=10.0)], 2.0, rule))

    assert expected_j == idle_j(ledger, 10.0)


def test_the_rule_is_reported_beside_the_result() -> None:
    result = Ledger([], 0.0, IdleAccounting.POWERED).result(
        scenario="", policy="", seed=1, finished_at_s=0.0, settings={"slots": 3}
    )

    assert {"slots": 3, "idle": "powered"} == result["settings"]


def test_a_server_draws_idle_power_only_while_it_is_in_the_fleet() -> None:
    ledger = Ledger([server("edge", idle_w=10.0)], 0.0)
    ledger(configure_entry(server("cloud", idle_w=100.0), at_s=3.0))
    ledger(configure_entry(server("edge", idle_w=1.0), at_s=5.0))

    assert 10.0 * 3.0 + 100.0 * 2.0 + 1.0 * 4.0 == idle_j(ledger, 9.0)


def test_asking_for_idle_joules_twice_does_not_count_them_twice() -> None:
    ledger = Ledger([server(idle_w=10.0)], 0.0)

    assert (20.0, 20.0, 30.0) == (idle_j(ledger, 2.0), idle_j(ledger, 2.0), idle_j(ledger, 3.0))


def test_an_account_not_yet_in_the_fleet_counts_nothing() -> None:
    account = IdleAccount(IdleAccounting.ALL, idle_w=10.0)
    account.advance(5.0)

    assert 0.0 == account.joules
