"""Mooncake's traces of Kimi: JSON lines that name the blocks of each prompt, so that shared prefixes can be told.

github.com/kvcache-ai/Mooncake. Stamps are milliseconds; equal `hash_ids` mean equal 512-token blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from perllm.simulation.traces.lines import Lines
from perllm.simulation.traces.request import TraceRequest

_MS_PER_S: Final = 1000.0
_MOST_MS: Final = 1e15

Tokens = Annotated[int, Meta(ge=1, le=10**9)]


class _Line(Struct, gc=False):
    timestamp: Annotated[float, Meta(ge=0, le=_MOST_MS)]
    input_length: Tokens
    output_length: Tokens
    hash_ids: tuple[Annotated[int, Meta(ge=0)], ...] = ()


def read_mooncake(lines: Lines) -> Iterator[TraceRequest]:
    """Yield the requests in the order of the file. Raises ConfigError for the first line that is not one."""
    decode = msgspec.json.Decoder(_Line).decode
    for text in lines:
        try:
            line = decode(text)
        except msgspec.ValidationError as error:
            raise lines.mistake(_told(error), _EXPECTED) from None
        except msgspec.DecodeError as error:
            raise lines.mistake(
                f"the line is not JSON: {_told(error)}", "Check whether the file was cut off."
            ) from None
        yield TraceRequest(line.timestamp / _MS_PER_S, line.input_length, line.output_length, None, None, line.hash_ids)


_EXPECTED: Final = "Expected keys: timestamp (ms), input_length, output_length, and hash_ids where known."


def _told(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]
