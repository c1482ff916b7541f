"""BurstGPT: requests to ChatGPT and GPT-4 at a university, with failures in between.

github.com/HPMLL/BurstGPT. A row without response tokens is a request that failed there: it is skipped and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perllm.simulation.traces.lines import Lines
from perllm.simulation.traces.request import TraceRequest
from perllm.simulation.traces.table import instant, malformed, rows, tokens

COLUMNS: Final = ("Timestamp", "Model", "Request tokens", "Response tokens")
SESSION: Final = "Session ID"


def read_burstgpt(lines: Lines) -> Iterator[TraceRequest]:
    """Yield the requests in the order of the file. Raises ConfigError for the first line that is not one."""
    for stamp, model, prompt, output, session in rows(lines, COLUMNS, (SESSION,)):
        if output.strip() == "0":
            lines.skipped += 1
            continue
        try:
            at_s, read = instant(stamp, "Timestamp"), tokens(prompt, "Request tokens")
            request = TraceRequest(at_s, read, tokens(output, "Response tokens"), model, session or None)
        except ValueError as error:
            raise malformed(lines, error, COLUMNS) from None
        yield request
