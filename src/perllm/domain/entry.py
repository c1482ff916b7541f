"""One event as the scheduler was told it, with what it answered: what journals keep and accounts add up."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from perllm.domain.action import Actions
from perllm.domain.attempt import Ending, Progress
from perllm.domain.request import Request
from perllm.domain.server import Server
from perllm.domain.service import Service
from perllm.domain.telemetry import Fact


class EventKind(StrEnum):
    """The port's methods, by name."""

    SUBMIT = "submit"
    PROGRESS = "progress"
    CLOSE = "close"
    CANCEL = "cancel"
    OBSERVE = "observe"
    CONFIGURE = "configure"
    WAKE = "wake"


class Fleet(Struct, frozen=True, kw_only=True, gc=False):
    """What `configure` is told."""

    servers: Sequence[Server]
    services: Sequence[Service]


class Entry(Struct, frozen=True, gc=False):
    """An event (`subject` is the request's or attempt's id, empty where there is none) and the actions it led to."""

    at_s: float
    kind: EventKind
    subject: str
    value: Request | Progress | Ending | Fact | Fleet | None
    actions: Actions
