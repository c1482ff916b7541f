"""Servers of any fleet in the seats of a network with a fixed number of them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perllm.domain.server import Link, Server
from perllm.scheduling.candidates import Candidates
from perllm.scheduling.neural.seats import PER_SEAT, SEATS, STATES, Seats
from tests.unit.scheduling.builders import CLOUD, EDGE, request


def case(*servers: Server, total_s: list[float] | None = None, **changes: object) -> Candidates:
    """Return candidates that write 51 tokens at 0.02 s each after half a second."""
    count = len(servers)
    columns = Candidates(
        total_s=total_s or [1.5] * count, first_token_s=[0.5] * count, token_s=[0.02] * count,
        in_time_probability=[1.0] * count, energy_j=[1.0] * count, outstanding=[0] * count,
        feasible=list(range(count)), servers=servers,
    )  # fmt: skip
    return replace(columns, **changes)


def seat(state: list[float], number: int) -> list[float]:
    return state[number * PER_SEAT : (number + 1) * PER_SEAT]


def test_the_largest_server_has_the_last_seat_and_empty_seats_are_zero() -> None:
    seated = Seats((CLOUD, EDGE)).take(request(), case(CLOUD, EDGE))

    assert [None] * 4 + [1, 0] == list(seated.rows)
    assert STATES == len(seated.state)
    assert [0.0] * 4 * PER_SEAT == seated.state[: 4 * PER_SEAT]


def test_a_seat_holds_capacity_free_share_rate_backlog_and_run_time() -> None:
    slow = replace(EDGE, link=Link(up_bytes_per_s=25e6))
    columns = case(slow, CLOUD, outstanding=[5, 2], total_s=[1.5, 1.5])

    state = Seats((slow, CLOUD)).take(request(), columns).state

    # Two slots at 0.02 s a step against eight at 0.004: 100 of 2000 tokens/s. Three wait for two slots: 1.5 each.
    assert pytest.approx([100 / 2000, 0.0, 0.2, 1.5 / 2.5, 1.5 / 6.5]) == seat(state, 4)
    assert pytest.approx([1.0, 6 / 8, 1.0, 0.0, 1.5 / 6.5]) == seat(state, 5)


def test_the_request_is_its_prompt_its_expected_answer_and_its_requirement() -> None:
    state = Seats((EDGE,)).take(request(), case(EDGE)).state

    assert pytest.approx([100 / 300, 51 / 101, 0.5]) == state[-3:]


def test_who_cannot_serve_has_no_seat() -> None:
    seated = Seats((EDGE, CLOUD)).take(request(), case(EDGE, CLOUD, feasible=[1]))

    assert [None] * 5 + [1] == list(seated.rows)


def test_of_many_servers_the_soonest_sit_down() -> None:
    servers = tuple(replace(EDGE, server_id=f"s{number}") for number in range(9))
    total_s = [9.0, 1.0, 8.0, 2.0, 3.0, 7.0, 4.0, 5.0, 6.0]

    seated = Seats(servers).take(request(), case(*servers, total_s=total_s))

    assert SEATS == len(seated.rows)
    assert {1, 3, 4, 6, 7, 8} == set(seated.rows)
