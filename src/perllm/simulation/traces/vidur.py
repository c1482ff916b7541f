"""Vidur's request traces: seconds from the start, tokens in, tokens out (github.com/microsoft/vidur)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perllm.simulation.traces.lines import Lines
from perllm.simulation.traces.request import TraceRequest
from perllm.simulation.traces.table import instant, malformed, rows, tokens

COLUMNS: Final = ("arrived_at", "num_prefill_tokens", "num_decode_tokens")


def read_vidur(lines: Lines) -> Iterator[TraceRequest]:
    """Yield the requests in the order of the file. Raises ConfigError for the first line that is not one."""
    for stamp, prompt, output in rows(lines, COLUMNS):
        try:
            at_s, read = instant(stamp, "arrived_at"), tokens(prompt, "num_prefill_tokens")
            request = TraceRequest(at_s, read, tokens(output, "num_decode_tokens"))
        except ValueError as error:
            raise malformed(lines, error, COLUMNS) from None
        yield request
