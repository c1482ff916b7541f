"""One request of a trace, and the layouts a trace may have."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Layout(StrEnum):
    """How a trace is written."""

    AZURE = "azure"
    BURSTGPT = "burstgpt"
    MOONCAKE = "mooncake"
    SERVEGEN = "servegen"
    VIDUR = "vidur"


class TraceRequest(Struct, frozen=True, gc=False):
    """What a trace says of one request.

    `arrival_at_s` counts from an instant of the trace's own. `model` is what the trace names its kind by, `blocks` are
    ids of the prompt's 512-token pieces. The order of the fields is that of `traces.playing`'s columns.
    """

    arrival_at_s: float
    prompt_tokens: int
    output_tokens: int
    model: str | None = None
    session: str | None = None
    blocks: tuple[int, ...] = ()
