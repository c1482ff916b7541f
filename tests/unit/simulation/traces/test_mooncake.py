"""Mooncake: milliseconds, and the blocks of each prompt."""

from pathlib import Path

from perllm.simulation.traces.mooncake import read_mooncake
from perllm.simulation.traces.request import TraceRequest
from tests.unit.simulation.traces.traces import MOONCAKE, read_with, written


def test_blocks_and_milliseconds_are_read(tmp_path: Path) -> None:
    requests, _ = read_with(read_mooncake, written(tmp_path, MOONCAKE))

    assert [
        TraceRequest(0.0, 900, 6, None, None, (46, 47)),
        TraceRequest(3.052, 900, 6, None, None, (46, 57)),
    ] == requests


def test_blocks_may_be_missing_and_other_keys_there(tmp_path: Path) -> None:
    text = '{"timestamp": 27.5, "input_length": 3, "output_length": 1, "round": 2}\n'

    assert [TraceRequest(0.0275, 3, 1)] == read_with(read_mooncake, written(tmp_path, text))[0]
