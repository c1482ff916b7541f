"""Vidur: seconds, tokens in, tokens out."""

from pathlib import Path

from perllm.simulation.traces.request import TraceRequest
from perllm.simulation.traces.vidur import read_vidur
from tests.unit.simulation.traces.traces import VIDUR, read_with, written


def test_requests_are_read(tmp_path: Path) -> None:
    requests, _ = read_with(read_vidur, written(tmp_path, VIDUR))

    assert [TraceRequest(0.5, 3772, 54), TraceRequest(1.25, 2015, 156)] == requests
