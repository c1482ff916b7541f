"""Requests a little out of order are put in order; what goes back further is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perllm.errors import ConfigError
from perllm.simulation.traces.lines import Lines
from perllm.simulation.traces.order import MOST_WAITING, in_order
from perllm.simulation.traces.request import TraceRequest

LINES = Lines(Path("trace"))


def request(at_s: float) -> TraceRequest:
    return TraceRequest(at_s, 10, 10)


@given(st.lists(st.floats(0.0, 100.0)), st.integers(0, 1000))
def test_delays_below_a_second_are_put_in_order(instants: list[float], seed: int) -> None:
    delayed = sorted(instants, key=lambda at_s: at_s + (hash((at_s, seed)) % 1000) / 1001)

    assert sorted(instants) == [each.arrival_at_s for each in in_order(map(request, delayed), LINES)]


def test_equal_instants_keep_the_order_of_the_file() -> None:
    rows = [TraceRequest(1.0, tokens, 1) for tokens in (5, 3, 4)]

    assert [5, 3, 4] == [each.prompt_tokens for each in in_order(rows, LINES)]


def test_more_than_a_second_back_is_refused() -> None:
    assert [4.0, 5.0] == [each.arrival_at_s for each in in_order(map(request, (5.0, 4.0)), LINES)]
    with pytest.raises(ConfigError, match=r"trace:0: time goes back by 1\.5 s"):
        list(in_order(map(request, (5.0, 3.5)), LINES))


def test_no_more_wait_than_fit() -> None:
    flood = in_order(map(request, [1.0] * (MOST_WAITING + 1) + [0.5]), LINES)

    # Of those at one instant the first had to go: what is earlier comes too late then.
    assert 1.0 == next(flood).arrival_at_s
    with pytest.raises(ConfigError, match=r"time goes back by 0\.5 s"):
        list(flood)
