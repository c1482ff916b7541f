"""Tables say what is compared, and mark what is not."""

from perllm.experiments.contest.estimate import Estimate
from perllm.experiments.contest.summary import summarised
from perllm.experiments.contest.tables import between, cost_table, digits, place_tables, plus_minus, shares
from perllm.experiments.contest.versus import compared
from tests.unit.experiments.contest.rows import row


def test_joules_of_who_misses_a_target_stand_in_parentheses_beside_what_is_missed() -> None:
    rows = [row("cs-ucb"), row("late", attainment=0.5, joules=1.0)]
    summaries = summarised(rows, 0.0)

    (table,) = place_tables(summaries, compared(rows, summaries, "cs-ucb"))

    assert "small, 2/s (idle counted: all)" == table.title
    ours, late = table.rows
    assert ("cs-ucb", "100 %", "none", "0.1", "–") == ours[:5]
    assert ("late", "50 %", "chat", "(0.002)", "–", "misses a target") == late[:6]
    assert "small-model 40%, large-model 60%" == ours[-1]


def test_all_services_missed_are_told_in_one_word() -> None:
    late = row(attainment=0.1).services["chat"]
    (summary,) = summarised([row(services={"chat": late, "extract": late}, attainment=0.1)], 0.0)

    (table,) = place_tables([summary], [])

    assert "all" == table.rows[0][2]


def test_numbers_are_shown_with_the_digits_they_have() -> None:
    wide = Estimate(mean=1234.5, low=1000.0, high=1469.0, seeds=3)

    assert "1,234 ± 234" == plus_minus(wide)
    assert "1.500 [1.250, 1.750]" == between(Estimate(mean=1.5, low=1.25, high=1.75, seeds=3))
    assert ("1.5", "1.500") == (
        plus_minus(Estimate(mean=1.5, low=None, high=None, seeds=1)),
        between(Estimate(mean=1.5, low=None, high=None, seeds=1)),
    )
    assert ("–", "–", "–") == (plus_minus(None), between(None), shares({"a": 0.0}))
    assert ("0.1235", "12,346") == (digits(0.12346), digits(12345.6))


def test_what_decisions_cost_stands_in_a_table_of_its_own() -> None:
    assert (("a", "20 µs", "60 µs", "0.10 s"),) == cost_table([row("a", 1), row("a", 2)]).rows
