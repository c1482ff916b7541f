"""An attempt inside an engine: the mutable record of how far it has come."""

from __future__ import annotations

from enum import Enum, auto

from perllm.simulation.job import Job


class Place(Enum):
    """Where an attempt is: before the engine, inside it, on the way back, or over."""

    UPLOADING = auto()
    WAITING = auto()
    READING = auto()
    DECODING = auto()
    REPLYING = auto()
    CLOSED = auto()


class Sequence:
    """One attempt.

    `number` orders the attempts of an engine by when they were sent. `steps_before` is the batch's count of steps at
    which it would have had no token. `sent_tokens` have left the engine, `seen_tokens` have come through the link.
    """

    __slots__ = (
        "attempt_id", "first_at_s", "infer_j", "job", "looks", "number", "place", "seen_tokens", "sent_tokens",
        "steps_before", "way_back_s",
    )  # fmt: skip

    def __init__(self, attempt_id: str, number: int, job: Job, way_back_s: float) -> None:
        self.attempt_id = attempt_id
        self.number = number
        self.job = job
        self.way_back_s = way_back_s
        self.place = Place.UPLOADING
        self.infer_j = 0.0
        self.steps_before = 0
        self.first_at_s = 0.0
        self.looks = 0
        self.sent_tokens = 0
        self.seen_tokens = 0
