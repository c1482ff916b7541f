import pytest

from perllm.accounting.declared import DeclaredMeters
from perllm.errors import InvariantError
from tests.unit.accounting.entries import server

# Of `server()`, above its 10 W idle: prefill 40 W, one decoding 20 W, both slots decoding 50 W.


def test_a_plain_answer_decodes_throughout() -> None:
    meters = DeclaredMeters([server()])
    meters.start("a", "edge", 100.0)

    assert 20.0 * 3.0 == meters.end("a", 103.0)


def test_a_streamed_answer_draws_prefill_power_until_its_first_token() -> None:
    meters = DeclaredMeters([server()])
    meters.start("a", "edge", 0.0, streamed=True)
    meters.first_token("a", 2.0)

    assert 40.0 * 2.0 + 20.0 * 3.0 == meters.end("a", 5.0)


def test_attempts_share_what_is_drawn_while_they_are_together() -> None:
    meters = DeclaredMeters([server()])
    meters.start("a", "edge", 0.0)
    meters.start("b", "edge", 1.0)

    assert 20.0 * 1.0 + 50.0 / 2 * 2.0 == meters.end("a", 3.0)
    assert 50.0 / 2 * 2.0 + 20.0 * 1.0 == meters.end("b", 4.0)


def test_a_prompt_being_read_raises_everybodys_power() -> None:
    meters = DeclaredMeters([server()])
    meters.start("a", "edge", 0.0)
    meters.start("b", "edge", 0.0, streamed=True)

    assert 40.0 / 2 * 1.0 == meters.end("b", 1.0)
    assert 40.0 / 2 * 1.0 + 20.0 * 1.0 == meters.end("a", 2.0)


def test_a_server_with_nobody_there_draws_nothing_above_idle() -> None:
    meters = DeclaredMeters([server("edge"), server("cloud")])
    meters.start("a", "edge", 0.0)
    first_j = meters.end("a", 1.0)
    meters.start("b", "edge", 50.0)
    second_j = meters.end("b", 51.0)

    assert {"edge": first_j + second_j, "cloud": 0.0} == meters.server_joules()


def test_a_reload_keeps_what_was_metered_and_takes_new_servers() -> None:
    meters = DeclaredMeters([server("edge")])
    meters.start("a", "edge", 0.0)
    meters.configure([server("edge"), server("cloud")])
    meters.start("b", "cloud", 1.0)

    assert (40.0, 20.0) == (meters.end("a", 2.0), meters.end("b", 2.0))


def test_an_attempt_starts_once_and_ends_once() -> None:
    meters = DeclaredMeters([server()])
    meters.start("a", "edge", 0.0)
    with pytest.raises(InvariantError, match="twice"):
        meters.start("a", "edge", 1.0)
    meters.end("a", 2.0)
    with pytest.raises(InvariantError, match="has ended"):
        meters.end("a", 3.0)
