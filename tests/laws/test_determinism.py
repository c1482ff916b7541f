"""Law 5: the same scenario, policy and seed give the same bytes, and a draw in one place shifts no other."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perllm.domain.entry import Entry
from perllm.scheduling.policies import REGISTRY
from perllm.simulation.scenario import Scenario
from perllm.simulation.simulator import run
from perllm.simulation.streams import stream
from perllm.simulation.workload import jobs
from tests.unit.simulation.machines import LOAD, scenario


def bytes_of(traffic: Scenario, seed: int) -> tuple[bytes, bytes]:
    """Run, and return the result and everything that was said between shell and brain, as bytes."""
    said: list[Entry] = []
    ticks = count()
    result = run(traffic, seed, sinks=[said.append], clock=lambda: float(next(ticks))).result
    del result["timing"]
    return msgspec.json.encode(result), msgspec.msgpack.encode(said, order="deterministic")


@pytest.mark.parametrize("policy", sorted(REGISTRY))
def test_the_same_seed_gives_the_same_bytes(policy: str) -> None:
    traffic = scenario(policy=policy)

    assert bytes_of(traffic, 1) == bytes_of(traffic, 1)


def test_another_seed_gives_other_bytes() -> None:
    assert bytes_of(scenario(), 1)[0] != bytes_of(scenario(), 2)[0]


@given(st.integers(0, 2**64), st.text(max_size=20), st.text(max_size=20), st.integers(0, 100))
def test_a_draw_from_one_stream_shifts_no_other(seed: int, name: str, other: str, draws: int) -> None:
    alone = stream(seed, name).random(5).tolist()

    beside, stranger = stream(seed, name), stream(seed, other)
    drawn = []
    for _ in range(5):
        stranger.random(draws)
        drawn.append(beside.random())

    assert alone == drawn


def test_clients_that_leave_shift_nothing_but_themselves() -> None:
    staying = scenario(load=replace(LOAD, leaving_fraction=0.0))
    leaving = scenario(load=replace(LOAD, leaving_fraction=1.0))

    for (at_s, job), (other_at_s, other) in zip(jobs(staying, 3), jobs(leaving, 3), strict=True):
        assert (at_s, job.request) == (other_at_s, other.request)
        assert job.truth == msgspec.structs.replace(other.truth, leaves_at_s=None)
