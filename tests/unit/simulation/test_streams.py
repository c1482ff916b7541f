"""Random streams by name."""

from __future__ import annotations

from perllm.simulation.streams import stream


def test_a_stream_is_the_same_every_time_and_on_every_machine() -> None:
    drawn = stream(7, "workload/arrivals").integers(0, 1_000_000, size=4).tolist()

    assert [665645, 972307, 622119, 593268] == drawn


def test_another_name_or_seed_is_another_stream() -> None:
    firsts = {stream(seed, name).random() for seed in (0, 1, 2**40) for name in ("a", "b", "a/b")}

    assert 9 == len(firsts)
