"""Planes lie below the seconds and joules of real steps, and touch them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perllm.costs.energy import decode_w, mixed_w, prefill_w
from perllm.costs.time import busy_s, decode_step_s, step_overheads_s
from perllm.domain.profile import Batching
from perllm.domain.server import Server
from perllm.experiments.bound.planes import Extent, Kind, Plane, kinds_of
from tests.unit.simulation.machines import SERVER

EXTENT = Extent(sequences=4, context_tokens=400)
CHUNKED = replace(SERVER, batching=Batching.CHUNKED)


def value(planes: tuple[Plane, ...], sequences: float, reading_s: float, context: float) -> float:
    """Return the highest of the planes there."""
    return max(
        plane.step + plane.token * sequences + plane.reading * reading_s + plane.context * context for plane in planes
    )


def mixed(server: Server, sequences: int, reading_s: float, context: float) -> tuple[float, float]:
    """Return the seconds and joules of a step that reads beside writing, as the simulated engine has them."""
    speed, power = server.speed, server.power
    arithmetic_s = sequences * speed.decode_token_s + reading_s
    memory_s = speed.weights_read_s + context * speed.context_token_s
    seconds = busy_s(speed, arithmetic_s, memory_s) + step_overheads_s(speed, sequences)
    writing_w = decode_w(power, max(sequences, 1), server.slots)
    return seconds, seconds * mixed_w(prefill_w(power), writing_w, arithmetic_s, memory_s)


SERVERS = st.builds(
    lambda serial, overhead_s, more_s, prefill, full: replace(
        CHUNKED,
        speed=replace(
            SERVER.speed,
            serial_fraction=serial,
            sequence_overhead_s=overhead_s,
            batching_overhead_s=more_s,
            context_token_s=3e-5,
            attention_pair_s=1e-7,
        ),
        power=replace(SERVER.power, prefill_w=prefill, decode_full_w=full),
    ),
    st.floats(0.0, 1.0),
    st.floats(0.0, 0.01),
    st.floats(0.0, 0.02),
    st.floats(11.0, 90.0),
    st.floats(11.0, 90.0),
)


@given(SERVERS, st.integers(0, 4), st.floats(1e-6, 1.0), st.integers(0, 1500))
def test_no_mixed_step_lies_below_its_planes(server: Server, sequences: int, reading_s: float, context: int) -> None:
    (kind,) = kinds_of(server, EXTENT)
    context = context if sequences else 0
    seconds, joules = mixed(server, sequences, reading_s, context)

    assert value(kind.seconds, sequences, reading_s, context) <= seconds * (1 + 1e-9)
    assert value(kind.joules, sequences, reading_s, context) <= joules * (1 + 1e-9)
    assert kind.busy_w * seconds + kind.token_j * sequences <= joules * (1 + 1e-9)


@given(SERVERS, st.integers(1, 4), st.integers(0, 1500))
def test_no_writing_step_lies_below_its_planes(server: Server, sequences: int, context: int) -> None:
    seconds = decode_step_s(server.speed, sequences, context)
    joules = seconds * decode_w(server.power, sequences, server.slots)

    for kind in (*kinds_of(server, EXTENT), writing_of(server)):
        assert value(kind.seconds, sequences, 0.0, context) <= seconds * (1 + 1e-9)
        assert value(kind.joules, sequences, 0.0, context) <= joules * (1 + 1e-9)
        assert kind.busy_w * seconds + kind.token_j * sequences <= joules * (1 + 1e-9)


@pytest.mark.parametrize("sequences", [1, 2, 3, 4])
def test_the_planes_of_writing_touch_every_batch(sequences: int) -> None:
    kind = writing_of(SERVER)
    seconds = decode_step_s(SERVER.speed, sequences)

    assert value(kind.seconds, sequences, 0.0, 0.0) == pytest.approx(seconds)
    joules = seconds * decode_w(SERVER.power, sequences, SERVER.slots)
    assert value(kind.joules, sequences, 0.0, 0.0) == pytest.approx(joules)


def test_where_others_write_in_the_same_steps_ours_owe_their_part_alone() -> None:
    writing, reading = kinds_of(SERVER, EXTENT, shared=True)
    cheapest_j = min(
        decode_step_s(SERVER.speed, batch) * decode_w(SERVER.power, batch, SERVER.slots) / batch
        for batch in range(1, 5)
    )

    assert value(writing.joules, 1, 0.0, 0.0) == pytest.approx(cheapest_j)
    assert value(reading.joules, 0, 1.0, 0.0) == 0.0


def writing_of(server: Server) -> Kind:
    return kinds_of(replace(server, batching=Batching.PREFILL_FIRST), EXTENT)[0]
