"""An attempt inside an engine: the mutable record of how far it has come."""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct

from perllm.simulation.job import Job


class Place(Enum):
    """Where an attempt is: before the engine, inside it, on the way back, or over."""

    UPLOADING = auto()
    WAITING = auto()
    READING = auto()
    WRITING = auto()
    REPLYING = auto()
    CLOSED = auto()


class Sequence(Struct, eq=False, gc=False):
    """One attempt.

    `number` orders the attempts of an engine by when they were sent. `to_read` tokens must still be read behind
    `known` ones that are in the cache, `written` have been written when it last stood still. `steps_before` is the
    batch's count of steps at which it would have written none, `level_j` its meter's level when it joined.
    `context_tokens` is what it fills of the cache once everything is read, as of when it last stood still; the step
    under way reads `portion` tokens of it.
    `sent_tokens` have left the engine, `seen_tokens` have come through the link.
    """

    attempt_id: str
    number: int
    job: Job
    output_tokens: int
    to_read: int
    context_tokens: int
    place: Place = Place.UPLOADING
    infer_j: float = 0.0
    level_j: float = 0.0
    portion: int = 0
    known: int = 0
    cached_tokens: int = 0
    written: int = 0
    steps_before: int = 0
    first_at_s: float = 0.0
    looks: int = 0
    sent_tokens: int = 0
    seen_tokens: int = 0

    def give_way(self) -> None:
        """Lose its place in the cache and wait: prompt and answer so far must be read again."""
        self.place = Place.WAITING
        self.to_read = self.context_tokens
        self.known = 0
