"""What a client wants, once its call was understood."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from perllm.domain.request import Request
from perllm.wire.call import Call


class Errand(Struct, frozen=True, kw_only=True, gc=False):
    """A call, what the brain is told of it, and the headers that go along to the engine.

    `shown_id` is the request's id as the client knows it.
    """

    call: Call
    request: Request
    shown_id: str
    forwarded: Mapping[str, str]
