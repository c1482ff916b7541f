"""An attempt inside an engine: the mutable record of how far it has come."""

from __future__ import annotations

from enum import Enum, auto

from perllm.simulation.job import Job


class Place(Enum):
    """Where an attempt is: before the engine, inside it, on the way back, or over."""

    UPLOADING = auto()
    WAITING = auto()
    READING = auto()
    WRITING = auto()
    REPLYING = auto()
    CLOSED = auto()


class Sequence:
    """One attempt.

    `number` orders the attempts of an engine by when they were sent. `to_read` tokens must still be read behind
    `known` ones that are in the cache, `written` have been written when it last stood still. `steps_before` is the
    batch's count of steps at which it would have written none, `level_j` its meter's level when it joined.
    It `enters_at_s` its engine. `sent_tokens` have left the engine, `seen_tokens` have come through the link.
    """

    __slots__ = (
        "attempt_id", "cached_tokens", "enters_at_s", "first_at_s", "infer_j", "job", "known", "level_j", "looks",
        "number", "output_tokens", "place", "seen_tokens", "sent_tokens", "steps_before", "to_read", "written",
    )  # fmt: skip

    def __init__(self, attempt_id: str, number: int, job: Job, output_tokens: int) -> None:
        self.attempt_id = attempt_id
        self.number = number
        self.job = job
        self.output_tokens = output_tokens
        self.place = Place.UPLOADING
        self.infer_j = 0.0
        self.level_j = 0.0
        self.to_read = job.truth.prompt_tokens
        self.known = 0
        self.cached_tokens = 0
        self.written = 0
        self.steps_before = 0
        self.enters_at_s = 0.0
        self.first_at_s = 0.0
        self.looks = 0
        self.sent_tokens = 0
        self.seen_tokens = 0

    @property
    def context_tokens(self) -> int:
        """What it fills of the cache once everything is read, as of when it last stood still."""
        return self.job.truth.prompt_tokens + self.written

    def give_way(self) -> None:
        """Lose its place in the cache and wait: prompt and answer so far must be read again."""
        self.place = Place.WAITING
        self.to_read = self.context_tokens
        self.known = 0
