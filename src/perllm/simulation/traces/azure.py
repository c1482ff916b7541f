"""Azure's LLM inference traces of 2023 and 2024: when, tokens in, tokens out.

github.com/Azure/AzurePublicDataset. Stamps have up to 100 ns; those of 2024 name their zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from perllm.simulation.traces.lines import Lines, shown
from perllm.simulation.traces.request import TraceRequest
from perllm.simulation.traces.table import malformed, rows, tokens

COLUMNS: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_SECOND: Final = timedelta(seconds=1)


def read_azure(lines: Lines) -> Iterator[TraceRequest]:
    """Yield the requests in the order of the file. Raises ConfigError for the first line that is not one."""
    clock = _Clock()
    for stamp, prompt, output in rows(lines, COLUMNS):
        try:
            at_s, read = clock.seconds(stamp), tokens(prompt, "ContextTokens")
            request = TraceRequest(at_s, read, tokens(output, "GeneratedTokens"))
        except ValueError as error:
            raise malformed(lines, error, COLUMNS) from None
        yield request


class _Clock:
    """Seconds since the first stamp's whole second: small numbers, which keep the 100 ns that a date loses."""

    def __init__(self) -> None:
        self._origin: datetime | None = None
        # Many requests share a second and a zone: what was read of the last one is kept.
        self._latest: tuple[str, str | None] | None = None
        self._latest_s = 0.0

    def seconds(self, stamp: str) -> float:
        """Read a stamp. Raises ValueError that says what is wrong with it."""
        parts = _STAMP.fullmatch(stamp)
        if parts is None:
            raise _no_stamp(stamp)
        second, fraction, zone = parts.groups()
        if (second, zone) != self._latest:
            self._latest_s = self._since_origin(second + (zone or ""), stamp)
            self._latest = (second, zone)
        return self._latest_s + float(fraction or 0.0)

    def _since_origin(self, second: str, stamp: str) -> float:
        try:
            at = datetime.fromisoformat(second)
            self._origin = self._origin or at
            return (at - self._origin) / _SECOND
        except (ValueError, TypeError):
            raise _no_stamp(stamp) from None


def _no_stamp(stamp: str) -> ValueError:
    return ValueError(f"TIMESTAMP is {shown(stamp)}, not like 2023-11-16 18:15:46.6805900 (zone: in all lines or none)")
